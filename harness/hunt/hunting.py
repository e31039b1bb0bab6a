"""A hunt under way: runs in slots until the budget is spent, each drawn after what earlier ones reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core.exits import Exit
from quorate.harness.core.test import Test, UsageError
from quorate.harness.experiments.trial import Trial, Trials
from quorate.harness.hunt import states
from quorate.harness.hunt.findings import Finding, Findings, Shown, without_workload
from quorate.harness.hunt.genes import Genes
from quorate.harness.hunt.learning import Learner

_OVERHEAD_S: Final = 15.0  # starting, judging and ending a run of real servers
_VIRTUAL_S: Final = 2.0  # what a run of the simulated system takes, mostly
_RUN_S: Final = 240.0  # beyond its load: a run that takes longer is ended
_BROKEN_MOST: Final = 5  # runs that broke one after the other: then the machine is at fault
_RUNS_MOST: Final = 100_000

Listener = Callable[[Shown, list[Finding]], None]


class Limits(msgspec.Struct, frozen=True):
    """When a hunt ends: no run is begun that would end after `budget_s`, and none after `runs`, or a first finding."""

    budget_s: float
    runs: int = _RUNS_MOST
    first: bool = False
    slots: int = 1


class Hunt:
    """One hunt. `listener` hears every run that has ended, and what it found for the first time."""

    def __init__(
        self,
        base: Test,
        learner: Learner,
        findings: Findings,
        limits: Limits,
        store: Path,
        listener: Listener,
    ) -> None:
        self._base = base
        self._learner = learner
        self._limits = limits
        self._store = store
        self._listener = listener
        self._broken = 0
        self._begun = 0
        self._begun_s = 0.0
        self._drawing = asyncio.Lock()
        self.findings = findings
        self.shown: list[Shown] = []

    async def run(self) -> None:
        """Run until an end has come; cancelled, the runs under way heal first."""
        self._begun_s = asyncio.get_running_loop().time()
        async with (
            Trials(self._store, slots=self._limits.slots) as trials,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self._limits.slots):
                group.create_task(self._worker(trials))

    def _over(self, genes: Genes) -> bool:
        limits = self._limits
        run_s = _VIRTUAL_S if self._base.virtual else genes.time_s + _OVERHEAD_S
        spent_s = asyncio.get_running_loop().time() - self._begun_s
        # The first run is made whatever the budget: a hunt of nothing proves nothing.
        late = self._begun > 0 and spent_s + run_s > limits.budget_s
        caught = limits.first and bool(self.findings.counting)
        return late or caught or self._begun >= limits.runs or self._broken >= _BROKEN_MOST

    async def _worker(self, trials: Trials) -> None:
        while True:
            async with self._drawing:  # a draw is tried out, which needs a separate event loop
                genes = await asyncio.to_thread(self._learner.next)
            if self._over(genes):
                return
            self._begun += 1
            number = self._begun
            known = self.findings.knows(genes.workloads, self.shown)
            # A first anomaly ends its run, which saves time; later runs continue behind what is known.
            test = genes.test(msgspec.structs.replace(self._base, stop_on_anomaly=not known))
            try:
                trial = await trials.run(test, deadline_s=test.time + test.check_time + _RUN_S)
            except UsageError as error:
                trial = Trial("broken", frozenset(), None, 0.0, str(error), Exit.USAGE)
            said = {} if trial.folder is None else await asyncio.to_thread(states.of_logs, trial.folder)
            self._hear(number, genes, test, plain(trial), said)

    def _hear(self, number: int, genes: Genes, test: Test, trial: Trial, said: dict[str, int]) -> None:
        reached = states.of_results(trial.results, trial.signatures)
        new = (
            self._learner.hear(genes, reached, said)
            if trial.outcome != "broken"
            else self._learner.failed(genes)
        )
        self._broken = self._broken + 1 if trial.outcome == "broken" else 0
        shown = Shown(
            number=number,
            command=test.command(),
            name=f"run {number}: {'+'.join(genes.workloads)} under {','.join(genes.faults) or 'none'}",
            outcome=trial.outcome,
            exit_code=trial.exit_code,
            said=trial.said,
            signatures=tuple(str(one) for one in sorted(trial.signatures)),
            folder="" if trial.folder is None else str(trial.folder),
            seconds=trial.seconds,
            at_s=round(asyncio.get_running_loop().time() - self._begun_s, 1),
            new=new,
            seed=genes.seed,
            workload="+".join(genes.workloads),
            faults=",".join(genes.faults) or "none",
            release=trial.results.release.partition(" (")[0],
        )
        self.shown.append(shown)
        self._listener(shown, self.findings.add(shown, trial))
        if trial.outcome == "valid":  # it is never read again, and there may be thousands
            trial.discard()


def plain(trial: Trial) -> Trial:
    """Return it with signatures that do not name which of several workloads it was: the anomaly is the same."""
    found = frozenset(without_workload(one) for one in trial.signatures)
    # Python's own exit code for a crash is 1 as well: without results nothing was found.
    outcome = "broken" if trial.outcome == "anomaly" and trial.folder is None else trial.outcome
    return msgspec.structs.replace(trial, signatures=found, outcome=outcome)
