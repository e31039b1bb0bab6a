"""Values as they are stored: JSON, followed by blanks up to the size that is asked for.

Blanks after a JSON text change nothing for who decodes it, so every capability stays what it is while requests, logs
and snapshots grow. The size depends on the value alone: a compare with the stored bytes finds them again.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from typing import Any, Final

import msgspec

from quorate.harness.core.duration import parse_size

_SHOWN_WHOLE: Final = 1000  # characters of a value that a state keeps as it is
_SHOWN_HEAD: Final = 80
_HASHES: Final = 1 << 32


class Sizes(msgspec.Struct, frozen=True):
    """How long stored values are, in bytes: from `least` to `most`, evenly on a logarithmic scale; 0 as they come."""

    least: int = 0
    most: int = 0

    @classmethod
    def of(cls, text: str | None, most: int) -> Sizes:
        """Read `10KB` or `10B..1MB`; raise `ValueError` for anything else, and for more than `most` bytes."""
        if text is None:
            return cls()
        first, _, last = text.partition("..")
        try:
            found = cls(parse_size(first), parse_size(last or first))
        except ValueError:
            raise ValueError(f"value_size={text}: write a size or two, as in 10KB or 10B..1MB") from None
        if not 1 <= found.least <= found.most <= most:
            raise ValueError(f"value_size={text}: give 1B to {most // 1000}KB, the smaller one first")
        return found

    def padded(self, stored: bytes, parts: int = 1) -> bytes:
        """Return a stored value at its size; of a request with several values each has its part of that."""
        if not self.most:
            return stored
        share = zlib.crc32(stored) / _HASHES
        size = math.exp(math.log(self.least) + share * (math.log(self.most) - math.log(self.least)))
        return stored.ljust(round(size) // parts)


def encode(value: Any) -> bytes:
    """A value as it is stored: JSON."""
    return msgspec.json.encode(value)


def text(stored: bytes | None) -> str:
    """Stored bytes as text, whatever they are; nothing is empty."""
    return (stored or b"").decode(errors="backslashreplace")


def value_of(stored: bytes | None) -> Any:
    """The value that a client stored as JSON, the text of anything else, None of nothing."""
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored)
    except (msgspec.DecodeError, RecursionError):
        return text(stored)


def told(stored: bytes) -> str:
    """A stored value as the state of a node keeps it: its text, or of a long one the beginning, length and digest."""
    whole = text(stored)
    if len(whole) <= _SHOWN_WHOLE:
        return whole
    digest = hashlib.blake2b(stored, digest_size=8).hexdigest()
    return f"{whole[:_SHOWN_HEAD].rstrip()}… ({len(stored):,} bytes, digest {digest})"
