"""A stored run as reports see it: every part read on its own, so that a damaged one costs only itself.

`read(folder)` never raises for a damaged store: what cannot be read becomes a sentence in `problems`, and the rest is
there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from quorate.harness.core import reading
from quorate.harness.core.exits import Exit
from quorate.harness.core.results import FaultRow, Printed, Results, Step, fault_row
from quorate.harness.core.store import RESULTS, TEST
from quorate.harness.core.verdict import Result, Verdict
from quorate.reports import journal, words
from quorate.reports import operations as columns
from quorate.reports.logs import Lines, read_logs, started_at
from quorate.reports.operations import Operations
from quorate.reports.words import brief, seconds, share


class StoredRun(msgspec.Struct, frozen=True):
    """Everything of a run that could be read, and a sentence for everything that could not."""

    folder: Path
    test: Mapping[str, Any]
    finished: bool
    results: Results
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
        return "✗" if self.could_not_run else words.SIGNS[self.results.verdict]

    @property
    def outcome(self) -> str:
        """The verdict as a headline begins: `Valid`, `Invalid`, `Unknown`, `Could not run`."""
        return "Could not run" if self.could_not_run else words.VERDICTS[self.results.verdict]

    @property
    def headline(self) -> str:
        """The verdict over all guarantees in a sentence."""
        if self.could_not_run:
            asked = self.results.statistics.operations > 0
            return "Nothing was judged" if asked else "No client asked anything: nothing was tested"
        return words.summary(self.results.verdict, self.results.guarantees)

    @property
    def could_not_run(self) -> bool:
        """Whether it broke so early that there is nothing to judge, as a server that does not start."""
        return self.results.exit_code == Exit.BROKEN and not self.results.guarantees

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
        ends += [row.healed_s or row.injected_s or 0.0 for row in self.results.faults]
        return max(1e-3, *ends)


def read(folder: Path, *, history: bool = True, results: Results | None = None) -> StoredRun:
    """Read a run's folder; `history=False` leaves out operations and server logs, for lists and comparisons.

    `results` stand in for results.json where a run has just ended: a full disk may have kept them from being written.
    """
    problems: list[str] = []
    test = reading.read_object(folder / TEST, problems)
    if results is None:
        plain = reading.read_object(folder / RESULTS, problems)
        finished, found = bool(plain), reading.record(plain, Results, problems, RESULTS)
    else:
        finished, found = True, results
    if isinstance(found, Printed) and found.unwritten is not UNSET:
        problems.append(found.unwritten)
    operations, injected = journal.read(folder, problems) if history else (columns.none(), [])
    statistics = found.statistics
    if not statistics.operations and len(operations):
        statistics = operations.statistics()
    guarantees = [_brief(result) for result in found.guarantees]
    found = msgspec.structs.replace(
        found,
        reason=brief(found.reason) or _reason(found.verdict, guarantees, finished=finished),
        guarantees=guarantees,
        statistics=statistics,
        faults=found.faults or [fault_row(one) for one in injected],
        leaders=sorted(found.leaders, key=lambda leader: leader.time_s),
    )
    lines = read_logs(folder, _zero(test, found), problems) if history else Lines((), 0, 0)
    return StoredRun(
        folder=folder,
        test=test,
        finished=finished,
        results=found,
        operations=operations,
        lines=lines,
        problems=problems,
    )


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
    """Long lists within sentences are shown by their ends; results.json has them whole."""
    shorter = [msgspec.structs.replace(one, sentence=brief(one.sentence)) for one in result.anomalies]
    return msgspec.structs.replace(result, anomalies=shorter, reason=brief(result.reason))


def _zero(test: Mapping[str, Any], results: Results) -> Any:
    """The date of the history's time 0, which lies some seconds after the run's start: the cluster comes up between.

    `history_started` says it; without it the time that the cluster took to be ready is as near as one gets.
    """
    known = test.get("history_started")
    if known is not None:
        return known
    start, ready = started_at(test.get("started")), results.timings_s.get("ready")
    if start is None or ready is None:
        return test.get("started")
    return (start + timedelta(seconds=ready)).isoformat()


def _reason(verdict: Verdict, guarantees: Sequence[Result], *, finished: bool) -> str:
    """Say in a sentence what results.json itself did not."""
    if not finished:
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
    """Say what proved the injection, or why it is unproved."""
    if row.proof is not None:
        return row.proof.text
    said = row.error[-1] if isinstance(row.error, list) and row.error else None
    return str(said) if said else "none recorded"
