"""Second judges: an engine's "invalid" counts where another one that shares nothing with it agrees.

See docs/decisions/certificates.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from quorate.harness.core.verdict import Limits, Result, Verdict
from quorate.harness.history import Event, History

# Porcupine has at most this long, and no more than a quarter of what the check has.
_TIME_S: Final = 15.0
_SHARE: Final = 4


def by_porcupine(
    history: History,
    model: str,
    certificate: Mapping[str, Any],
    limits: Limits,
    *,
    initial: Any = None,
    per_key: bool = True,
) -> str | None:
    """Return Porcupine's name where it finds no order of the certificate's operations either, else None.

    Sums, sets seen in part and pasts that were cut off are not put to it: it knows whole objects from their beginning.
    """
    from quorate.checkers.porcupine import MODELS, PorcupineMissingError, check_history  # noqa: PLC0415 - optional, and slow to load

    if model not in MODELS:
        return None
    whole = certificate["kind"] == "no-order" and certificate["since"] is None
    if not whole or ("elements" in certificate and model == "set"):
        return None
    part = History.of(list(_part(history, certificate)))
    bounded = msgspec.structs.replace(limits, time_s=min(_TIME_S, limits.time_s / _SHARE))
    try:
        result = check_history(part, model, bounded, per_key=per_key, initial=initial, explain=False)
    except PorcupineMissingError:
        return None
    return result.engine if result.verdict is Verdict.INVALID else None


def _part(history: History, certificate: Mapping[str, Any]) -> Iterator[Event]:
    indexes = {index for pair in certificate["operations"] for index in pair if index is not None}
    return (event for event in history.events() if event.index in indexes)


def confirmed(result: Result, second: Result) -> Result:
    """Return what holds of a history that one engine called invalid, once another one was asked.

    An agreement is reported with the second one's evidence, which is smaller. A disagreement proves nothing: one of the
    two is wrong, and the answer is unknown.
    """
    if result.verdict is not Verdict.INVALID:
        return result
    if second.verdict is Verdict.INVALID:
        return msgspec.structs.replace(
            result,
            anomalies=second.anomalies,
            parts=second.parts,
            confirmed_by=second.engine,
        )
    reason = (
        f"{result.engine} found no order, but {second.engine} found one; this is a bug in one of them, please report it"
        if second.verdict is Verdict.VALID
        else f"{result.engine} found no order, but no second judge confirmed that: {second.reason}"
    )
    return msgspec.structs.replace(result, verdict=Verdict.UNKNOWN, reason=reason, anomalies=(), parts={})
