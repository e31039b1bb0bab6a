"""What a cell is expected to come to: valid, invalid, any, or invalid by kinds of anomalies that are named.

A known bug that shows itself as another anomaly than it always did is news, and so is another beside it: a cell that
names kinds is as expected where its run shows one of them at least, and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from quorate.harness.core.outcome import UsageError
from quorate.harness.core.registry import did_you_mean
from quorate.harness.core.results import Results
from quorate.harness.core.signature import parse, signatures

VALID, INVALID, ANY = "valid", "invalid", "any"
_WORDS: Final = (VALID, INVALID, ANY)
_JOIN: Final = ", "


def read(value: Any) -> str:
    """Return what a file says as one text; raise `ValueError` that says what may be written."""
    kinds: Sequence[Any] = value if isinstance(value, list) else [value]
    if len(kinds) == 1 and kinds[0] in _WORDS:
        return str(kinds[0])
    try:
        found = [str(parse(str(kind))) for kind in kinds]
    except UsageError:
        found = []
    if not found:
        words = f"one of {', '.join(_WORDS)}, or kinds of anomalies such as linearizable:stale-read"
        raise ValueError(f'"{value}" must be {words}{did_you_mean(str(value), list(_WORDS))}')
    return _JOIN.join(found)


def settled(expect: str, results: Results) -> str:
    """Return `invalid` where the kinds that are named are what a run showed, else what was expected, as it was."""
    if expect in _WORDS:
        return expect
    wanted = expect.split(_JOIN)
    shown = [_plain(str(one)) for one in signatures(results)]
    covered = [any(one in {kind, kind.partition("@")[0]} for one in wanted) for kind in shown]
    return INVALID if covered and all(covered) else expect


def wants_anomaly(expect: str) -> bool:
    """Whether an anomaly is expected, of whatever kind."""
    return expect not in {VALID, ANY}


def _plain(signature: str) -> str:
    """Return it without the workload that it came from, of several side by side."""
    guarantee, colon, kind = signature.partition(":")
    return guarantee.rpartition("/")[2] + colon + kind
