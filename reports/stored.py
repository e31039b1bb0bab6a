"""A stored run as reports see it: every part read on its own, so that a damaged one costs only itself.

`read(folder)` never raises for a damaged store: what cannot be read becomes a sentence in `problems`, and the rest is
there. The structs name the fields of `results.json`; each has a default, and unknown fields are ignored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from quorate.harness.core import fault, safely
from quorate.harness.core.injection import Injection
from quorate.harness.core.store import RESULTS, TEST
from quorate.harness.core.verdict import Result, Verdict
from quorate.reports import journal, words
from quorate.reports import operations as columns
from quorate.reports.logs import Lines, read_logs, started_at
from quorate.reports.operations import Operations
from quorate.reports.weakness import Weak
from quorate.reports.words import brief, seconds, share

T = TypeVar("T")

_BROKEN: Final = 3

# A results.json beyond this is damaged or hostile; reading it would take minutes.
_JSON_BYTES_MAX: Final = 256 << 20


class Proof(msgspec.Struct, frozen=True):
    """What was measured where a fault acted: the stored form of `quorate.harness.core.fault.Proof`."""

    holds: bool = False
    text: str = ""
    data: Mapping[str, Any] = {}


class Step(msgspec.Struct, frozen=True):
    """One server's turn in a fault that goes from node to node, by the run's clock, and what clients met meanwhile."""

    node: str = ""
    stopped_s: float = 0.0
    up_s: float = 0.0
    healthy_s: float = 0.0
    availability: float | None = None
    slowest_ms: float | None = None
    outage_s: float | None = None


class FaultRow(msgspec.Struct, frozen=True):
    """One injection: when (seconds since the run's start), on what, proved how, and what it cost."""

    fault: str = "fault"
    target: str | None = None
    nodes: Sequence[str] = ()
    began_s: float | None = None
    injected_s: float | None = None
    heal_began_s: float | None = None
    healed_s: float | None = None
    proof: Proof | None = None
    healed_proof: Proof | None = None
    recovery_s: float | None = None
    availability: float | None = None
    outage_s: float | None = None
    steps: Sequence[Step] = ()
    outcome: str | None = None
    detail: Any = None
    error: Any = None


class Window(msgspec.Struct, frozen=True):
    """A stretch in which a node served nothing that was asked of it, in seconds since the run's start."""

    node: str = ""
    from_s: float = 0.0
    to_s: float = 0.0


class Gate(msgspec.Struct, frozen=True):
    """One condition without which a valid verdict would prove nothing."""

    name: str = ""
    holds: bool = False
    text: str = ""


class Leader(msgspec.Struct, frozen=True):
    """Who led from `time_s` on; `node` is None where nobody was known to."""

    time_s: float = 0.0
    node: str | None = None
    term: int | None = None


class Death(msgspec.Struct, frozen=True):
    """A server that ended by itself: no fault had asked it to."""

    time_s: float = 0.0
    node: str = ""
    how: str = ""


class Counts(msgspec.Struct, frozen=True):
    """Outcomes of a group of operations, and their latency in milliseconds by quantile."""

    ok: int = 0
    fail: int = 0
    info: int = 0
    latency_ms: Mapping[str, float] = {}
    latency_due_ms: Mapping[str, float] = {}

    @property
    def total(self) -> int:
        """All operations of the group."""
        return self.ok + self.fail + self.info


class Statistics(msgspec.Struct, frozen=True):
    """Counts over the whole run."""

    operations: int = 0
    ok: int = 0
    fail: int = 0
    info: int = 0
    rate_per_s: float | None = None
    by_function: Mapping[str, Counts] = {}
    by_node: Mapping[str, Counts] = {}
    errors: Mapping[str, int] = {}


class StoredRun(msgspec.Struct, frozen=True):
    """Everything of a run that could be read, and a sentence for everything that could not."""

    folder: Path
    test: Mapping[str, Any]
    finished: bool
    verdict: Verdict
    exit_code: int | None
    reason: str
    guarantees: Sequence[Result]
    statistics: Statistics
    faults: Sequence[FaultRow]
    availability: Mapping[str, float]
    unavailable: Sequence[Window]
    recovery_s: float | None
    gates: Sequence[Gate]
    loop_lag_ms: Mapping[str, float]
    leaders: Sequence[Leader]
    deaths: Sequence[Death]
    weak: Weak | None
    interrupted: bool
    operations: Operations
    lines: Lines
    problems: Sequence[str]

    @property
    def name(self) -> str:
        """The run's name, or its folder's."""
        return str(self.test.get("name") or self.folder.parent.name or self.folder.name)

    @property
    def sign(self) -> str:
        """One character that stands for the verdict."""
        return "✗" if self.could_not_run else words.SIGNS[self.verdict]

    @property
    def outcome(self) -> str:
        """The verdict as a headline begins: `Valid`, `Invalid`, `Unknown`, `Could not run`."""
        return "Could not run" if self.could_not_run else words.VERDICTS[self.verdict]

    @property
    def headline(self) -> str:
        """The verdict over all guarantees in a sentence."""
        if self.could_not_run:
            asked = self.statistics.operations > 0
            return "Nothing was judged" if asked else "No client asked anything: nothing was tested"
        return words.summary(self.verdict, self.guarantees)

    @property
    def could_not_run(self) -> bool:
        """Whether it broke so early that there is nothing to judge, as a server that does not start."""
        return self.exit_code == _BROKEN and not self.guarantees

    @property
    def tuning(self) -> str:
        """What `tuning` drew, as `snapshot_count=100, election=500ms`; empty where nothing was."""
        found = self.test.get("tuning")
        return (
            ", ".join(f"{name}={value}" for name, value in found.items()) if isinstance(found, dict) else ""
        )

    @property
    def system(self) -> str:
        """System and release as typed: `etcd@3.5.30`."""
        system, release = self.test.get("system") or "unknown system", self.test.get("release")
        if not release or "@" in str(system):
            return str(system)
        if str(release).startswith(str(system)):
            return str(release)
        return f"{system}@{release}"

    @property
    def duration_s(self) -> float:
        """The last moment anything is known of, at least one millisecond."""
        ends = [float(self.operations.end_us.max()) / 1e6 if len(self.operations) else 0.0]
        ends += [row.healed_s or row.injected_s or 0.0 for row in self.faults]
        return max(1e-3, *ends)


class _Reader:
    """Takes a results object apart field by field, noting what is damaged."""

    def __init__(self, source: Mapping[str, Any], problems: list[str]) -> None:
        self.source, self.problems = source, problems

    def get(self, name: str, kind: type[T], default: T) -> T:
        value = self.source.get(name)
        if value is None:
            return default
        try:
            return msgspec.convert(value, kind, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            self.problems.append(f'"{name}" in {RESULTS} is not what it should be and is left out: {error}')
            return default

    def rows(self, name: str, kind: type[T]) -> list[T]:
        value = self.source.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.problems.append(f'"{name}" in {RESULTS} is not a list and is ignored')
            return []
        found: list[T] = []
        for number, item in enumerate(value):
            try:
                found.append(msgspec.convert(item, kind, strict=False))
            except (msgspec.ValidationError, ValueError) as error:
                self.problems.append(f'entry {number} of "{name}" in {RESULTS} is left out: {error}')
        return found


def _finite(text: str) -> float | None:
    """Numbers too large for a float, like NaN, stand for nothing known."""
    value = float(text)
    return value if math.isfinite(value) else None


def read_object(path: Path, problems: list[str]) -> dict[str, Any]:
    """Read a JSON object; an empty one and a sentence in `problems` where that cannot be."""
    try:
        content = json.loads(
            safely.contents(path, _JSON_BYTES_MAX), parse_constant=lambda _: None, parse_float=_finite
        )
    except FileNotFoundError:
        problems.append(f"{path.name} is not there: the run did not come so far, or the file was removed")
        return {}
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path.name} cannot be read: {error}")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{path.name} does not hold an object")
        return {}
    return content


def read(folder: Path, *, history: bool = True, results: Mapping[str, Any] | None = None) -> StoredRun:
    """Read a run's folder; `history=False` leaves out operations and server logs, for lists and comparisons.

    `results` stand in for results.json where a run has just ended: a full disk may have kept them from being written.
    """
    problems: list[str] = []
    test = read_object(folder / TEST, problems)
    results = read_object(folder / RESULTS, problems) if results is None else results
    if unwritten := results.get("unwritten"):
        problems.append(str(unwritten))
    operations, injected = journal.read(folder, problems) if history else (columns.none(), [])
    take = _Reader(results, problems)
    faults = take.rows("faults", FaultRow)
    faults = faults or [_unjudged(one) for one in injected]
    guarantees = [_brief(result) for result in take.rows("guarantees", Result)]
    statistics = take.get("statistics", Statistics, Statistics())
    if not statistics.operations and len(operations):
        statistics = msgspec.convert(operations.statistics(), Statistics)
    lines = read_logs(folder, _zero(test, results), problems) if history else Lines((), 0, 0)
    verdict = take.get("verdict", Verdict, Verdict.UNKNOWN)
    interrupted = bool(take.get("interrupted", bool, False))
    return StoredRun(
        folder=folder,
        test=test,
        finished=bool(results),
        verdict=verdict,
        exit_code=take.get("exit_code", int, -1) if "exit_code" in results else None,
        reason=brief(take.get("reason", str, "")) or _reason(results, verdict, guarantees),
        guarantees=guarantees,
        statistics=statistics,
        faults=faults,
        availability=take.get("availability", dict[str, float], {}),
        unavailable=take.rows("unavailable", Window),
        recovery_s=take.get("recovery_s", float, -1.0) if results.get("recovery_s") is not None else None,
        gates=take.rows("gates", Gate),
        loop_lag_ms=take.get("loop_lag_ms", dict[str, float], {}),
        leaders=sorted(take.rows("leaders", Leader), key=lambda leader: leader.time_s),
        deaths=take.rows("deaths", Death),
        weak=take.get("weak_reads", Weak, Weak()) if results.get("weak_reads") else None,
        interrupted=interrupted,
        operations=operations,
        lines=lines,
        problems=problems,
    )


def _unjudged(one: Injection) -> FaultRow:
    """The row of an injection, for runs that were never judged: without what clients met."""

    def seconds_of(time_ns: int | None) -> float | None:
        return None if time_ns is None else time_ns / 1e9

    return FaultRow(
        fault=one.fault,
        target=one.target,
        nodes=one.nodes,
        began_s=seconds_of(one.began_ns),
        injected_s=seconds_of(one.injected_ns),
        heal_began_s=seconds_of(one.heal_began_ns),
        healed_s=seconds_of(one.healed_ns),
        proof=_proof(one.proof),
        healed_proof=_proof(one.healed_proof),
        outcome=one.outcome,
        error=one.error,
    )


def _proof(proof: fault.Proof | None) -> Proof | None:
    return None if proof is None else Proof(proof.holds, proof.text, proof.data)


def given(run: StoredRun) -> list[str]:
    """The settings that were given, as `name=value`, and what else changes how a run is judged."""
    settings = run.test.get("settings")
    found = (
        [f"{name}={value}" for name, value in sorted(settings.items())] if isinstance(settings, dict) else []
    )
    options = run.test.get("options")
    strict = isinstance(options, dict) and options.get("strict") is True
    return [*found, *(["strict"] if strict else [])]


def _brief(result: Result) -> Result:
    """Long lists within sentences are told by their ends; results.json has them whole."""
    shorter = [msgspec.structs.replace(one, sentence=brief(one.sentence)) for one in result.anomalies]
    return msgspec.structs.replace(result, anomalies=shorter, reason=brief(result.reason))


def _zero(test: Mapping[str, Any], results: Mapping[str, Any]) -> Any:
    """The date of the history's time 0, which lies some seconds after the run's start: the cluster comes up between.

    `history_started` says it; without it the time that the cluster took to be ready is as near as one gets.
    """
    known = test.get("history_started") or results.get("history_started")
    if known is not None:
        return known
    start, timings = started_at(test.get("started")), results.get("timings_s")
    ready = timings.get("ready") if isinstance(timings, Mapping) else None
    if start is None or not isinstance(ready, (int, float)):
        return test.get("started")
    return (start + timedelta(seconds=ready)).isoformat()


def _reason(results: Mapping[str, Any], verdict: Verdict, guarantees: Sequence[Result]) -> str:
    """Say in a sentence what results.json itself did not."""
    if not results:
        return "The run was not judged: it has no readable results.json. `quorate check` judges the history it left."
    for guarantee in guarantees:
        if guarantee.verdict == verdict and verdict != Verdict.VALID:
            words = guarantee.anomalies[0].sentence if guarantee.anomalies else guarantee.reason
            if words:
                return words
    return {
        Verdict.VALID: "Every guarantee held over everything that clients saw.",
        Verdict.INVALID: "A guarantee was broken.",
        Verdict.UNKNOWN: "This run does not show whether the guarantees held.",
    }[verdict]


def span(row: FaultRow, end_s: float) -> tuple[float, float] | None:
    """Return from when its injection began to when its healing was proved, in seconds; None where it never was."""
    begin = row.began_s if row.began_s is not None else row.injected_s
    if begin is None:
        return None
    return begin, row.healed_s if row.healed_s is not None else end_s


def when(row: FaultRow) -> str:
    """Say when a fault was in force: from when its injection began to when its healing was proved."""
    inside = span(row, 0.0)
    if inside is None:
        return "never in force"
    if row.healed_s is None:
        return f"from {seconds(inside[0])}, never healed"
    return f"{seconds(inside[0])} to {seconds(row.healed_s)}"


def told(step: Step) -> str:
    """Say what one server's turn was like: `n2: stopped 1.5 s, up 2.1 s, healthy 9.8 s; 97 % served, slowest 1.2 s`."""
    moments = (("stopped", step.stopped_s), ("up", step.up_s), ("healthy", step.healthy_s))
    words = f"{step.node}: " + ", ".join(f"{name} {seconds(at)}" for name, at in moments)
    met = [] if step.availability is None else [f"{share(step.availability)} served"]
    met += [] if step.slowest_ms is None else [f"slowest {step.slowest_ms:.0f} ms"]
    return "; ".join(filter(None, (words, ", ".join(met))))


def proof_of(row: FaultRow) -> str:
    """Say what proved the injection, or why there is no proof."""
    if row.proof is not None:
        return row.proof.text
    said = row.error[-1] if isinstance(row.error, list) and row.error else None
    return str(said) if said else "none recorded"
