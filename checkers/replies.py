"""Confirm what a checker that replays replies found: each anomaly by its definition, from the replies that show it.

The second judge of guarantees that need no search: versions, numbers, elections, watches, lists, leases, and models
with their own rules (`objects_definitions`). Independent of
the checkers on purpose, as `checkers.refute` is for objects: it shares no code with what found the anomaly, reads the
history again, and looks at nothing but the definition (`replies_order`, `replies_shown`, `replies_leases`). A
certificate is {"kind", "key", "events", "strict"}: the anomaly's name, and the indexes of the events that show it.

Cannot confirm: anomalies without a definition here. They stand, and the result does not say `confirmed_by`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.checkers import (
    objects_definitions,
    replies_leases,
    replies_order,
    replies_shown,
    replies_told,
    replies_weak,
)
from quorate.checkers.replies_record import Case, Certificate, Record
from quorate.harness.core.verdict import Anomaly, Result, Verdict
from quorate.harness.history import History

JUDGE: Final = "definitions"

DEFINITIONS: Final[Mapping[str, Callable[[Record, Case], bool]]] = {
    **replies_order.DEFINITIONS,
    **replies_shown.DEFINITIONS,
    **replies_leases.DEFINITIONS,
    **replies_told.DEFINITIONS,
    **replies_weak.DEFINITIONS,
    **objects_definitions.DEFINITIONS,
}


def confirmed(
    result: Result, history: History, *, strict: bool = False, model: str = "", initial: Any = None
) -> Result:
    """Return the result with a certificate on every anomaly whose definition holds.

    `confirmed_by` is set where it holds for all of them; `stats["unconfirmed"]` counts the others by name. `strict`
    says that leases were held to their time without what the service documents; `model` is the model whose words the
    anomalies' names are, and `initial` what its object was stated to start with.
    """
    if result.verdict is not Verdict.INVALID or result.confirmed_by or not _known(result, model):
        return result
    record = Record(history)
    anomalies, missing = [], dict[str, int]()
    for one in result.anomalies:
        if getattr(one.detail, "confirmed_by", ""):
            anomalies.append(one)  # an order that was refuted already, by another judge
            continue
        certificate = certificate_of(one, strict=strict, model=model, initial=initial)
        if _wrong(record, certificate) is None:
            detail = msgspec.structs.replace(one.detail, certificate=msgspec.to_builtins(certificate))
            anomalies.append(msgspec.structs.replace(one, detail=detail))
        else:
            anomalies.append(one)
            missing[one.name] = missing.get(one.name, 0) + 1
    return msgspec.structs.replace(
        result,
        anomalies=anomalies,
        confirmed_by=None if missing else JUDGE,
        stats={**result.stats, "unconfirmed": missing} if missing else result.stats,
    )


def certificate_of(
    anomaly: Anomaly, *, strict: bool = False, model: str = "", initial: Any = None
) -> Certificate:
    """What the definition of this anomaly needs."""
    return Certificate(_kind(model, anomaly.name), anomaly.key, list(anomaly.events), strict, initial)


def _kind(model: str, name: str) -> str:
    return f"{model}: {name}" if model else name


def refute(history: History, certificates: Sequence[Certificate]) -> str | None:
    """Return why one of the certificates does not prove its anomaly, or None where all do."""
    record = Record(history)
    return next(filter(None, (_wrong(record, one) for one in certificates)), None)


def _known(result: Result, model: str) -> bool:
    return any(
        _kind(model, one.name) in DEFINITIONS and one.detail.certificate is None for one in result.anomalies
    )


def _wrong(record: Record, certificate: Certificate) -> str | None:
    name = certificate.kind
    definition = DEFINITIONS.get(name)
    if definition is None:
        return f"{name} has no definition here"
    missing = [index for index in certificate.events if not record.has(index)]
    if missing:
        return f"event {missing[0]} is not in the history"
    case = Case.of(record, certificate)
    return None if definition(record, case) else f"what these events show is not {name}"
