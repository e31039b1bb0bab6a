"""Exit codes (docs/reference/formats.md) and the rule that the worst news wins."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code says."""

    VALID = 0
    ANOMALY = 1
    UNKNOWN = 2
    BROKEN = 3
    USAGE = 4
    INTERRUPTED = 130


_WORST_FIRST = (Exit.ANOMALY, Exit.INTERRUPTED, Exit.BROKEN, Exit.USAGE, Exit.UNKNOWN, Exit.VALID)


def worst(codes: Iterable[int]) -> int:
    """Return the worst of several: anomaly, interrupted, broken, usage, unknown, valid."""
    found = set(codes)
    return next((code for code in _WORST_FIRST if code in found), Exit.VALID)
