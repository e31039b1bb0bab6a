"""What a run is known by: the record that judging returns, `results.json` holds, and reports and experiments read.

Every field has a default and unknown ones are ignored, so that records of other versions can be read; `reading` takes
damaged ones apart. Times are seconds since the run's start, latencies milliseconds by quantile (`p50` to `max`).
docs/reference/formats.md names the fields; they are added to, not changed.

See docs/decisions/results.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from quorate.harness.core.fault import Proof
from quorate.harness.core.injection import Injection, Turn
from quorate.harness.core.verdict import Result, Verdict
from quorate.harness.core.weak import WeakReads


class Outcomes(msgspec.Struct, frozen=True):
    """How many operations of a group ended how; `info` is an unknown outcome."""

    ok: int = 0
    fail: int = 0
    info: int = 0

    @property
    def total(self) -> int:
        """All operations of the group."""
        return self.ok + self.fail + self.info


class Counts(Outcomes, frozen=True):
    """The same of one function, with its latency from the call, and from the moment the operation was due."""

    latency_ms: Mapping[str, float] = {}
    latency_due_ms: Mapping[str, float] = {}


class Statistics(msgspec.Struct, frozen=True):
    """Counts over the whole run; `errors` by code, the commonest first. `left_out` of the latency is a count."""

    operations: int = 0
    ok: int = 0
    fail: int = 0
    info: int = 0
    rate_per_s: float | None = None
    latency_ms: Mapping[str, float] = {}
    latency_due_ms: Mapping[str, float] = {}
    by_function: Mapping[str, Counts] = {}
    by_node: Mapping[str, Outcomes] = {}
    errors: Mapping[str, int] = {}


class Step(Turn, frozen=True):
    """One server's turn in a fault that goes from node to node, by the run's clock, and what clients met meanwhile."""

    availability: float | None = None
    slowest_ms: float | None = None
    outage_s: float | None = None


class FaultRow(msgspec.Struct, frozen=True):
    """One injection with its healing: when, on what, proved how, and what clients met.

    `began_s` is when the injection began and `injected_s` when it was proved, `heal_began_s` and `healed_s` likewise.
    `asked` operations began meanwhile; `unasked` are its nodes that were sent none though clients know them.
    """

    fault: str = "fault"
    target: str | None = None
    nodes: Sequence[str] = ()
    detail: Mapping[str, Any] = {}
    outcome: str | None = None
    began_s: float | None = None
    injected_s: float | None = None
    heal_began_s: float | None = None
    healed_s: float | None = None
    proof: Proof | None = None
    healed_proof: Proof | None = None
    error: Sequence[str] | None = None
    asked: int = 0
    unasked: Sequence[str] = ()
    availability: float | None = None
    outage_s: float | None = None
    recovery_s: float | None = None
    steps: Sequence[Step] = ()


def fault_row(one: Injection) -> FaultRow:
    """Return the row of an injection, without what clients met."""
    return FaultRow(
        fault=one.fault,
        target=one.target,
        nodes=list(one.nodes),
        detail=one.detail,
        outcome=one.outcome,
        began_s=_seconds(one.began_ns),
        injected_s=_seconds(one.injected_ns),
        heal_began_s=None if one.heal_began_ns is None else _seconds(one.heal_began_ns),
        healed_s=None if one.healed_ns is None else _seconds(one.healed_ns),
        proof=one.proof,
        healed_proof=one.healed_proof,
        error=one.error,
    )


def _seconds(time_ns: int) -> float:
    return round(time_ns / 1e9, 4)


class Stretch(msgspec.Struct, frozen=True):
    """A stretch in which nothing of what was asked was served."""

    from_s: float = 0.0
    to_s: float = 0.0


class Outage(msgspec.Struct, frozen=True):
    """Seconds without service: in all, the longest, and the stretches that are long enough to matter."""

    total_s: float = 0.0
    longest_s: float = 0.0
    stretches: Sequence[Stretch] = ()


class Outages(Outage, frozen=True):
    """Seconds in which no node served, and those of each node by itself."""

    nodes: Mapping[str, Outage] = {}


class Window(msgspec.Struct, frozen=True):
    """A stretch in which one node served nothing that was asked of it."""

    node: str = ""
    from_s: float = 0.0
    to_s: float = 0.0


class Gate(msgspec.Struct, frozen=True):
    """One condition without which a valid verdict would prove nothing."""

    name: str = ""
    holds: bool = False
    text: str = ""


class Leader(msgspec.Struct, frozen=True):
    """Who led from `time_s` on; `node` is None where no leader was known."""

    time_s: float = 0.0
    node: str | None = None
    term: int | None = None


class Death(msgspec.Struct, frozen=True):
    """A server that ended by itself: no fault had asked it to. `how` is its exit code or signal, where known."""

    time_s: float = 0.0
    node: str = ""
    how: str = ""


class Behind(msgspec.Struct, frozen=True):
    """Reads asked for during one fault, or (`none`) outside of all: how many were behind, and by how much at most."""

    fault: str = ""
    target: str = ""
    from_s: float = 0.0
    to_s: float | None = None
    reads: int = 0
    behind: int = 0
    max_s: float = 0.0


class Staleness(msgspec.Struct, frozen=True):
    """How old the reads of one guarantee were."""

    guarantee: str = ""
    reads: int = 0
    behind: int = 0
    max_s: float = 0.0
    percentiles_s: Mapping[str, float] = {}
    went_back: int = 0
    own_writes_unseen: int = 0
    by_fault: Sequence[Behind] = ()


_OLD: Final = ("stale", "version went back", "total went back", "realtime", "process", "lost write")


class JudgedReads(WeakReads, frozen=True):
    """The promise of a read mode, what the run held it to, and how old its reads were."""

    held_to: str = ""
    staleness: Sequence[Staleness] = ()

    def documents(self, anomaly: str) -> str:
        """Return the sentence that the mode's documentation allows such an anomaly; empty where it was held to no more.

        Reads that are old by design show these where they are held to more; lost or invented values are none of it.
        """
        if self.held_to != "linearizable" or not any(word in anomaly for word in _OLD):
            return ""
        return f"{self.mode} is documented to allow this: {self.says} ({self.link})"


class Results(msgspec.Struct, frozen=True):
    """Everything that judging a run found."""

    verdict: Verdict = Verdict.UNKNOWN
    exit_code: int | None = None
    reason: str = ""
    release: str = ""
    guarantees: Sequence[Result] = ()
    statistics: Statistics = Statistics()
    faults: Sequence[FaultRow] = ()
    availability: Mapping[str, float] = {}
    outages: Outages = Outages()
    unavailable: Sequence[Window] = ()
    recovery_s: float | None = None
    weak_reads: JudgedReads | None = None
    gates: Sequence[Gate] = ()
    loop_lag_ms: Mapping[str, float] = {}
    leaders: Sequence[Leader] = ()
    deaths: Sequence[Death] = ()
    timings_s: Mapping[str, float] = {}
    interrupted: bool = False
    truncated: bool = False
    tuning: Mapping[str, str] = {}

    def encoded(self) -> dict[str, Any]:
        """Return the record as plain JSON, in the order of the fields."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class Printed(Results, frozen=True):
    """What `--json` prints: the results, the run's folder, and where asked-for copies were written.

    `unwritten` says why the results could not be stored.
    """

    run: str = ""
    unwritten: str | UnsetType = UNSET
    html: str | UnsetType = UNSET
    counterexample: str | UnsetType = UNSET

    @classmethod
    def of(cls, results: Results, run: str, **more: str) -> Printed:
        """Add the folder, and more of what was written, to the results."""
        return cls(**{**msgspec.structs.asdict(results), "run": run, **more})
