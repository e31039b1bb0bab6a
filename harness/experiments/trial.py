"""One trial: a test run in a separate process, in a slot, under a deadline, and what it showed.

Real servers are run by `quorate test`, as a campaign runs them. The simulated system needs no process for each run, so
warm ones serve many (`warm.py`); a run that hangs or crashes costs that process alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

from quorate.harness.campaign.cell import Cell
from quorate.harness.campaign.jobs import Job
from quorate.harness.campaign.process import CHILD, Finished, run_process
from quorate.harness.cluster import slots
from quorate.harness.core.exits import Exit
from quorate.harness.core.results import Printed, Results
from quorate.harness.core.signature import Signature, signatures
from quorate.harness.core.test import Test, UsageError
from quorate.harness.experiments.warm import Answer

Outcome = Literal["anomaly", "valid", "inconclusive", "broken"]

_OF_EXIT: Final[Mapping[int, Outcome]] = {
    Exit.VALID: "valid",
    Exit.ANOMALY: "anomaly",
    Exit.UNKNOWN: "inconclusive",
}
_WARM_LIMIT_S: Final = 60.0
_WARM_RUNS: Final = 500  # then a new process: nothing that leaks grows for ever
_ANSWER_MAX: Final = 64 << 20
_END_S: Final = 5.0


class Trial(msgspec.Struct, frozen=True):
    """What one run showed. `folder` is None where none was made; `said` is the sentence of the verdict or the failure.

    `outcome` is "anomaly" for whatever was violated, "broken" where the infrastructure failed or the test cannot work.
    """

    outcome: Outcome
    signatures: frozenset[Signature]
    folder: Path | None
    seconds: float
    said: str = ""
    exit_code: int = 0
    results: Results = Results()

    @property
    def succeeded(self) -> int:
        """How many operations succeeded."""
        return self.results.statistics.ok

    def discard(self) -> None:
        """Remove the folder: of a thousand valid runs none is looked at again."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


class Trials:
    """Runs tests, `slots` at once; more wait for their turn. Use it with `async with`: what it started ends with it.

    `store` is where the folders of the runs are kept, made if need be.
    """

    def __init__(self, store: Path, *, slots: int = 1) -> None:
        self.store = store.resolve()
        self.slots = slots
        self._free: asyncio.Queue[int] = asyncio.Queue()
        self._warm: dict[int, _Warm] = {}
        self._stack = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        """Take the slots; clusters are handed on between trials of a slot until the end."""
        self.store.mkdir(parents=True, exist_ok=True)
        self._stack.enter_context(slots.campaign())
        for slot in range(self.slots):
            self._free.put_nowait(slot)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the warm processes and remove parked clusters."""
        for warm in self._warm.values():
            await warm.end()
        self._stack.close()

    async def run(self, test: Test, *, deadline_s: float | None = None) -> Trial:
        """Run one test in the next free slot; a `seed` of None is 0. Raises nothing for what the run does.

        `deadline_s` is the time in all from its start; by default what the test's own limits allow. Raise `UsageError`
        where the test cannot work on any machine.
        """
        slot = await self._free.get()
        try:
            if test.virtual:
                finished = await self._simulated(
                    test, slot, deadline_s or _WARM_LIMIT_S + 2 * test.check_time
                )
            else:
                job = Job(cell=Cell(test), turn=0, seed=test.seed or 0)
                finished = await run_process(job, str(self.store), slot, deadline_s)
        finally:
            self._free.put_nowait(slot)
        if finished.exit_code == Exit.USAGE:
            raise UsageError(finished.complaint)
        return trial_of(finished)

    async def _simulated(self, test: Test, slot: int, deadline_s: float) -> Finished:
        warm = self._warm.get(slot)
        if warm is None or warm.worn:
            if warm is not None:
                await warm.end()
            warm = self._warm[slot] = await _Warm.start()
        ordered = msgspec.structs.replace(test, store=str(self.store), seed=test.seed or 0)
        finished = await warm.order(ordered, deadline_s)
        if finished is None:
            del self._warm[slot]
            return Finished(
                Exit.BROKEN, None, f"no answer within {deadline_s:.0f} s, or it crashed", deadline_s
            )
        return finished


def trial_of(finished: Finished) -> Trial:
    """Read what a process that ran a test found; an anomaly is one also where the run broke later."""
    results = finished.results or Printed()
    found = signatures(results)
    outcome: Outcome = "anomaly" if found else _OF_EXIT.get(finished.exit_code, "broken")
    return Trial(
        outcome=outcome,
        signatures=found,
        folder=Path(results.run) if results.run else None,
        seconds=round(finished.time_s, 3),
        said=results.reason or finished.complaint,
        exit_code=finished.exit_code,
        results=results,
    )


class _Warm:
    """One warm process. It ends with us: it reads from a pipe that only we hold, and the kernel is asked as well."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._runs = 0

    @classmethod
    async def start(cls) -> Self:
        """Start the process; it answers once it has imported everything."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", CHILD, str(os.getpid())),
            *(sys.executable, "-m", "quorate.harness.experiments.warm"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            limit=_ANSWER_MAX,
        )
        return cls(process)

    @property
    def worn(self) -> bool:
        """Whether it has served long enough, or is gone."""
        return self._runs >= _WARM_RUNS or self._process.returncode is not None

    async def order(self, test: Test, deadline_s: float) -> Finished | None:
        """Have one test run; None where no answer came, and then the process is ended."""
        loop = asyncio.get_running_loop()
        begun, self._runs = loop.time(), self._runs + 1
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = b""
        try:
            self._process.stdin.write(msgspec.json.encode(test) + b"\n")
            async with asyncio.timeout(deadline_s):
                await self._process.stdin.drain()
                line = await self._process.stdout.readline()
        except (TimeoutError, ConnectionError):
            line = b""
        except asyncio.CancelledError:
            await self.end()
            raise
        if not line.endswith(b"\n"):
            await self.end()
            return None
        answer = msgspec.json.decode(line, type=Answer)
        return Finished(answer.exit_code, answer.results, answer.complaint, loop.time() - begun)

    async def end(self) -> None:
        """Kill it: nothing that is simulated needs healing."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _END_S)
