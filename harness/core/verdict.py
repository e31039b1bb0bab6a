"""What a checker says of a history: a verdict with its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from quorate.harness.core.evidence import Evidence, Facts

if TYPE_CHECKING:
    from quorate.harness.history import History
    from quorate.harness.history.columns import Columns


class Verdict(StrEnum):
    """Valid, invalid, or unknown (a limit was hit, or too little happened)."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


class Limits(msgspec.Struct, frozen=True):
    """What a check may use; hitting one is an `unknown` with the reason, never a hang."""

    time_s: float = 60.0
    memory_bytes: int = 1 << 30

    @property
    def search_s(self) -> float:
        """How long to search: a tenth of the time is for giving back what a search holds, and for reporting."""
        return 0.9 * self.time_s

    @property
    def search_bytes(self) -> int:
        """How much a search may hold by its own count: the process takes a little more before that is seen."""
        return self.memory_bytes * 9 // 10


class Anomaly(msgspec.Struct, frozen=True):
    """One named violation: a sentence a person understands, and the minimal operations that show it.

    `events` are indexes of events in the history (invocations and completions), `culprit` the index of the
    invocation that could not have happened, `detail` what else shows it.
    """

    name: str
    sentence: str
    key: Any = None
    events: Sequence[int] = ()
    culprit: int | None = None
    detail: Evidence = Facts()


class Result(msgspec.Struct, frozen=True):
    """A checker's word on one guarantee. `stats` are numbers for people; `parts` verdicts per key where it split.

    `confirmed_by` names the second judge that agreed with an invalid answer, or with a valid one that was verified.
    """

    guarantee: str
    verdict: Verdict
    engine: str = ""
    model: str | None = None
    reason: str = ""
    operations: int = 0
    anomalies: Sequence[Anomaly] = ()
    witness: str | None = None
    time_s: float = 0.0
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    parts: Mapping[str, str] = {}
    stats: Mapping[str, Any] = {}
    confirmed_by: str | None = None


def proven(result: Result, history: History) -> Result:
    """Return the result, but `unknown` where it is valid over nothing that is known: that proves nothing.

    Known are operations that succeeded, and refusals that reported what they saw.
    """
    if result.verdict is not Verdict.VALID or (result.operations > 0 and _told(history.columns)):
        return result
    reason = "no operation to judge: none succeeded, and none was refused with what it saw"
    return msgspec.structs.replace(result, verdict=Verdict.UNKNOWN, reason=reason)


def _told(columns: Columns) -> bool:
    # Late: commands that judge nothing start without numpy and the native core.
    import numpy as np  # noqa: PLC0415

    from quorate.harness.history.columns import FAIL, NEMESIS_PROCESS, NONE, OK  # noqa: PLC0415

    clients = (columns.process != NEMESIS_PROCESS) & (columns.pair != NONE)
    if bool((clients & (columns.kind == OK)).any()):
        return True
    refused = np.flatnonzero(clients & (columns.kind == FAIL))
    seen = columns.value[refused]
    return bool(((seen != 0) & (seen != columns.value[columns.pair[refused]])).any())


class Checker(Protocol):
    """Judges a stored history; knows nothing of clusters."""

    name: str

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; keeps the limits; never raises for a bad history, only for unreadable input."""
        ...
