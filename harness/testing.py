"""For a user's own tests: record a history from any thread and judge it, simulate a workload, run against clusters."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from quorate.harness.core.duration import parse_duration
from quorate.harness.core.outcome import Refused, Unknown
from quorate.harness.core.store import HISTORY
from quorate.harness.core.test import Test
from quorate.harness.core.verdict import Limits, Result, Verdict
from quorate.harness.history import Event, History
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


class Pending:
    """An operation under way; say how it ended with `ok`, `fail` or `info`. Left without a word, it is `info`."""

    def __init__(self, recorder: HistoryRecorder, begun: Event) -> None:
        self._recorder = recorder
        self._begun = begun
        self.ended = False

    def ok(self, value: Any = None) -> None:
        """It happened; `value` is what a read returned."""
        self._end("ok", value)

    def fail(self, code: str = "refused", text: str = "") -> None:
        """It certainly did not happen. When in doubt, say `info`."""
        self._end("fail", None, [code, text])

    def info(self, code: str = "unknown", text: str = "") -> None:
        """Unknown: it may have happened, or may yet."""
        self._end("info", None, [code, text])

    def _end(self, kind: str, value: Any, error: list[str] | None = None) -> None:
        if not self.ended:
            self.ended = True
            self._recorder._complete(self._begun, kind, value, error)  # noqa: SLF001 - two halves of one thing


class HistoryRecorder:
    """Records operations in real-time order; safe to use from any thread and from coroutines.

    Each concurrent client needs its own number or name; after an `info` it continues under a new one by itself.
    Values are what JSON can hold; sets (in any order), tuples, bytes and numpy's numbers are taken as such.

        with recorder.operation(client, "write", key="x", value=1) as operation:
            service.put("x", 1)          # an exception here is recorded as info
            operation.ok()
    """

    def __init__(
        self, name: str = "test", *, keep: Path | None = None, failures: list[str] | None = None
    ) -> None:
        """Record under a name; a history that fails is kept in a folder of that name within `keep`."""
        self.name = name
        self.keep = keep
        self.failures = failures if failures is not None else []
        self.events: list[Event] = []
        self._lock = threading.Lock()
        self._begun_ns = time.monotonic_ns()
        self._processes: dict[int, int] = {}
        self._named: dict[str, int] = {}
        self._step = 1 << 16

    @contextlib.contextmanager
    def operation(self, client: int | str, f: str, key: Any = None, value: Any = None) -> Iterator[Pending]:
        """Record one operation of a client; what the block raises is recorded and raised again."""
        begun = self._invoke(client, f, key, value)
        pending = Pending(self, begun)
        try:
            yield pending
        except Refused as error:
            pending.fail(error.code, error.text)
            raise
        except Unknown as error:
            pending.info(error.code, error.text)
            raise
        except BaseException as error:
            pending.info(type(error).__name__, str(error))
            raise
        finally:
            if not pending.ended:
                pending.info("no-word", "the block ended without ok, fail or info")

    def _invoke(self, client: int | str, f: str, key: Any, value: Any) -> Event:
        key, value = recordable(key), recordable(value)
        with self._lock:
            client = self._number(client)
            process = self._processes.setdefault(client, client)
            event = Event(
                len(self.events), time.monotonic_ns() - self._begun_ns, process, "invoke", f, key, value
            )
            self.events.append(event)
            return event

    def _number(self, client: int | str) -> int:
        """The number of a client; names are numbered from the top down, so that they never meet numbers."""
        if isinstance(client, str):
            return self._named.setdefault(client, self._step - 1 - len(self._named))
        if isinstance(client, bool) or not isinstance(client, int) or not 0 <= client < self._step:
            msg = f"client {client!r}: give each client a name, or a number from 0 to {self._step - 1}"
            raise ValueError(msg)
        return client

    def _complete(self, begun: Event, kind: str, value: Any, error: list[str] | None) -> None:
        value = recordable(value)
        with self._lock:
            event = Event(
                index=len(self.events),
                time=time.monotonic_ns() - self._begun_ns,
                process=begun.process,
                type=kind,
                f=begun.f,
                key=begun.key,
                value=begun.value if value is None and begun.f != "read" else value,
                error=error,
                index_of_invoke=begun.index,
            )
            self.events.append(event)
            if kind == "info":
                assert isinstance(begun.process, int)
                self._processes[begun.process % self._step] = begun.process + self._step

    def history(self) -> History:
        """Return what was recorded until now."""
        with self._lock:
            return History.of(list(self.events), settled=True)


def recordable(value: Any) -> Any:  # noqa: PLR0911 - a table
    """A value as the history holds it: equal values are recorded alike. Raises `TypeError` with what can be done.

    Sets become sorted lists, tuples lists, bytes text where they are UTF-8, and what has `item()` (numpy's numbers) the
    number in it; floats that are whole become integers, for 1.0 equals 1.
    """
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            return int(value) if isinstance(value, float) and value.is_integer() else value
        case set() | frozenset():
            return sorted((recordable(one) for one in value), key=msgspec.json.encode)
        case list() | tuple():
            return [recordable(one) for one in value]
        case dict():
            return {
                name: recordable(one) for name, one in sorted(value.items(), key=lambda pair: str(pair[0]))
            }
        case bytes() | bytearray():
            return bytes(value).decode(errors="backslashreplace")
    if hasattr(value, "tolist"):  # arrays and numbers of numpy
        return recordable(value.tolist())
    try:
        return msgspec.to_builtins(value)
    except TypeError as error:
        msg = f"a history cannot hold {value!r}: record numbers, texts, lists or maps of them ({error})"
        raise TypeError(msg) from error


def assert_linearizable(
    history: History | HistoryRecorder,
    model: str = "cas-register",
    *,
    limits: Limits | None = None,
    initial: Any = None,
) -> Result:
    """Raise AssertionError with the sentence that explains the anomaly; an undecided history fails as well.

    `initial` is what each object holds at the start. An empty history, or one without a single success, proves nothing
    and fails too. The history of a recorder that fails is kept, with a page and its counterexample.
    """
    __tracebackhide__ = True
    from quorate.checkers import check  # noqa: PLC0415 - checkers stand beside, not below
    from quorate.checkers.initial import UNSTATED  # noqa: PLC0415

    judged = history.history() if isinstance(history, HistoryRecorder) else history
    succeeded = sum(operation.outcome == "ok" for operation in judged.operations())
    assert succeeded > 0, "no operation succeeded: this history proves nothing"
    start = UNSTATED if initial is None else recordable(initial)
    result = check(judged, model=model, limits=limits or Limits(), initial=start)
    if result.verdict is Verdict.VALID:
        return result
    if result.verdict is Verdict.INVALID:
        told = "\n".join(anomaly.sentence for anomaly in result.anomalies) or result.reason
        text = f"not linearizable as {result.model}: {told}"
    else:
        text = f"not decided: {result.reason}"
    raise AssertionError(text + _kept(history, judged, result))


def _kept(recorder: History | HistoryRecorder, history: History, result: Result) -> str:
    """Keep what a recorder's failing test recorded, and say where."""
    if not isinstance(recorder, HistoryRecorder) or recorder.keep is None:
        return ""
    from quorate.reports.html import write  # noqa: PLC0415 - only where something failed
    from quorate.reports.recorded import keep  # noqa: PLC0415

    safe = "".join(letter if letter.isalnum() or letter in "+-_.@" else "_" for letter in recorder.name)
    folder = keep(recorder.keep / safe, history, result, recorder.name)
    page = write(folder)
    recorder.failures.append(f"quorate check {folder / HISTORY} --as {result.model}   # page: {page}")
    return f"\nhistory and counterexample: {folder}\npage: {page}"


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
