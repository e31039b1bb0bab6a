"""Values and moments as people read them: bounded, and free of what a terminal would obey."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

import msgspec

# A sentence shows this much of a value; what is longer is cut in the middle of nowhere, with its size.
VALUE_MAX: Final = 200
_NS: Final = 1e9
# Categories of Unicode that do not print: controls, formats (direction marks), surrogates, separators of lines.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def say(value: Any, most: int = VALUE_MAX) -> str:
    """A value as people write it, in JSON; null is "nothing", and what is longer than `most` is cut."""
    if value is None:
        return "nothing"
    if isinstance(value, str) and len(value) > most:
        return f'{msgspec.json.encode(value[:most]).decode()[:-1]}…" ({len(value):,} characters)'
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def bounded(value: Any, most: int = 2_000) -> Any:
    """The same value with long texts cut at `most` characters, and their size said, wherever they stand in it."""
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[:most]}… ({len(value):,} characters)"
    if isinstance(value, list | tuple):
        return [bounded(one, most) for one in value]
    if isinstance(value, dict):
        return {bounded(name, most): bounded(one, most) for name, one in value.items()}
    return value


def moment(time_ns: int, index: int, *, timed: bool) -> str:
    """`at 1.234 s`, or `in event 3` where the history has no times."""
    return f"at {time_ns / _NS:.3f} s" if timed else f"in event {index}"


def plain(text: str) -> str:
    r"""Escape what a terminal would obey rather than show: ESC becomes `\x1b`. Line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(one) for one in text)


def _shown(one: str) -> str:
    if one in "\n\t" or unicodedata.category(one) not in _HIDDEN:
        return one
    code = ord(one)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004
