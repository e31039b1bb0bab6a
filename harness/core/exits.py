"""Exit codes (docs/reference/formats.md), what verdict each stands for, and the rule that the worst news wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

from quorate.harness.core.verdict import Verdict


class Exit(IntEnum):
    """What a command's exit code says."""

    VALID = 0
    ANOMALY = 1
    UNKNOWN = 2
    BROKEN = 3
    USAGE = 4
    INTERRUPTED = 130


OF_VERDICT: Final[Mapping[Verdict, Exit]] = {
    Verdict.VALID: Exit.VALID,
    Verdict.INVALID: Exit.ANOMALY,
    Verdict.UNKNOWN: Exit.UNKNOWN,
}
# What a command's exit code says of a run; every other one says that nothing was judged.
VERDICT_OF: Final[Mapping[int, Verdict]] = {int(code): verdict for verdict, code in OF_VERDICT.items()}
_WORST_FIRST = (Exit.ANOMALY, Exit.INTERRUPTED, Exit.BROKEN, Exit.USAGE, Exit.UNKNOWN, Exit.VALID)


def worst(codes: Iterable[int]) -> int:
    """Return the worst of several: anomaly, interrupted, broken, usage, unknown, valid."""
    found = set(codes)
    return next((code for code in _WORST_FIRST if code in found), Exit.VALID)
