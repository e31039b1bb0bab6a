"""Durations and sizes as people type them: 500ms, 30s, 5m, 1h; 256MiB, 1GiB."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNITS_BYTES = {
    "": 1,
    "B": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_duration(text: str) -> float:
    """Return seconds for `500ms`, `30s`, `5m`, `1h` or a sum such as `1h30m`; raise ValueError with the forms."""
    text = text.strip()
    found = list(_DURATION.finditer(text))
    if not found or "".join(match.group() for match in found) != text:
        msg = f'"{text}" is not a duration: write 500ms, 30s, 5m, 1h or 1h30m'
        raise ValueError(msg)
    return sum(float(match.group(1)) * _UNITS_S[match.group(2)] for match in found)


def exact_duration(seconds: float) -> str:
    """Return a form that `parse_duration` reads back to the very same number; the short one where it is exact."""
    short = format_duration(seconds)
    try:
        if parse_duration(short) == seconds:
            return short
    except ValueError:
        pass  # a short form in powers of ten
    return f"{exact_number(seconds)}s"


def exact_number(value: float) -> str:
    """Return all digits of a number, without an exponent; whole numbers without a fraction."""
    return f"{Decimal(repr(float(value))):f}".removesuffix(".0")


def format_duration(seconds: float) -> str:
    """Return a short form to read, six digits long at most: 500ms, 1.5s, 90s, 5m, 2h."""
    for unit, size in (("h", 3600.0), ("m", 60.0)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    if seconds >= 1 or seconds == 0:
        return f"{seconds:g}s"
    if seconds >= 1e-3:  # noqa: PLR2004 - a millisecond
        return f"{seconds * 1e3:g}ms"
    return f"{seconds * 1e6:g}us"


def parse_size(text: str) -> int:
    """Return bytes for `256MiB`, `1GiB`, `500MB` or plain bytes; raise ValueError with the forms."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match.group(2) not in _UNITS_BYTES:
        msg = f'"{text}" is not a size: write 256MiB, 1GiB or 500MB'
        raise ValueError(msg)
    return int(float(match.group(1)) * _UNITS_BYTES[match.group(2)])
