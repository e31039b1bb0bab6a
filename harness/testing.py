"""For a user's own tests: record a history from any thread and judge it, simulate a workload, run against clusters."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from quorate.harness.core.duration import parse_duration
from quorate.harness.core.test import Test
from quorate.harness.recording import HistoryRecorder, Pending, assert_linearizable
from quorate.harness.run import Run, draw_seed, run
from quorate.harness.run.simulation import Simulation, simulate

__all__ = [
    "ClusterFactory",
    "HistoryRecorder",
    "Pending",
    "RunFactory",
    "RunningCluster",
    "Simulation",
    "assert_linearizable",
    "simulate",
]


class ClusterFactory:
    """Clusters of any system for tests that drive their own clients; `close` removes them all."""

    def __init__(self, kind: str = "auto") -> None:
        self._kind = kind
        self._made: list[RunningCluster] = []

    def __call__(self, system: str, nodes: int = 3, **settings: str) -> RunningCluster:
        """Start SYSTEM[@RELEASE] and wait until it is healthy."""
        made = RunningCluster(Test(system=system, nodes=nodes, cluster=self._kind, settings=settings, seed=0))
        self._made.append(made)
        made.start()
        return made

    def close(self) -> None:
        """Remove every cluster made."""
        while self._made:
            self._made.pop().close()


class RunningCluster:
    """A started cluster: `addresses` of its nodes by name, and `call` to await its parts (nodes, network, status)."""

    def __init__(self, test: Test) -> None:
        from quorate.harness.cluster import new_run_id  # noqa: PLC0415
        from quorate.harness.core.clock import clock_of  # noqa: PLC0415
        from quorate.harness.run.parts import assemble  # noqa: PLC0415

        self._loop = asyncio.new_event_loop()
        parts = assemble(test, new_run_id(), clock_of(self._loop))
        self.system = parts.system
        self.cluster = parts.cluster

    def start(self) -> None:
        """Bring it up; a failure leaves nothing behind."""
        self.call(self._start())

    async def _start(self) -> None:
        await self.cluster.up()
        await self.system.install(self.cluster)
        await asyncio.gather(*(self.system.start(self.cluster, node) for node in self.cluster.nodes))
        await self.system.wait_ready(self.cluster, 60.0)

    def call(self, awaitable: Any) -> Any:
        """Await something on the cluster's loop: `cluster.call(cluster.cluster.network.cut(...))`."""

        async def wait() -> Any:
            return await awaitable

        return self._loop.run_until_complete(wait())

    @property
    def addresses(self) -> dict[str, str]:
        """Where each node listens."""
        return {node.name: node.address for node in self.cluster.nodes}

    def close(self) -> None:
        """Remove the cluster; safe to call twice."""
        if not self._loop.is_closed():
            self.call(self._close())
            self._loop.close()

    async def _close(self) -> None:
        await self.system.close()
        await self.cluster.down()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


class RunFactory(msgspec.Struct, frozen=True):
    """Whole runs inside tests: asserts the verdict, and remembers the command that repeats a failure."""

    options: dict[str, Any]
    seed: int | None
    cluster: str
    time: str | None
    store: str
    failures: list[str]

    def __call__(self, **more: Any) -> Run:
        """Run and assert that every guarantee held; returns the run for further questions."""
        options = {"cluster": self.cluster, "store": self.store, **self.options, **more}
        if self.time is not None:
            options["time"] = parse_duration(self.time)
        options["seed"] = self.seed if self.seed is not None else options.get("seed", draw_seed())
        test = Test(**options)
        done = run(test)
        if done.verdict != "valid":
            self.failures.append(f"{test.command()}   # {done.results.reason}")
            raise AssertionError(
                f"{done.results.reason}\nrun folder: {Path(done.folder)}\nrepeat: {test.command()}"
            )
        return done
