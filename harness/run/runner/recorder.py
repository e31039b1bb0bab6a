"""The recorder: numbers and times every event of a run; it outlives the phases of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quorate.harness.core.clock import Clock
from quorate.harness.generators import Invocation
from quorate.harness.history.event import Event, Type


class Recorder:
    """Allocates indexes, times (from its creation on) and processes, and appends events in real-time order.

    A process stands for one opened client; `processes[thread]` is the current one, and a new one is the old plus the
    number of threads. An error of `append` goes to the caller: a run that cannot be recorded must stop.
    """

    def __init__(self, append: Callable[[Event], None], clock: Clock, clients: int) -> None:
        self.clients = clients
        self.processes = list(range(clients))
        self.used = [False] * clients
        self.index = 0
        self._append = append
        self._now_ns = clock.now_ns
        self._origin_ns = clock.now_ns()

    def now_ns(self) -> int:
        """Return the time since the run's start."""
        return self._now_ns() - self._origin_ns

    def invoke(self, process: int | str, invocation: Invocation, node: str | None) -> Event:
        """Record that an operation begins now."""
        index = self.index
        self.index = index + 1
        event = Event(
            index, self._now_ns() - self._origin_ns, process, "invoke",
            invocation.f, invocation.key, invocation.value, node,
        )  # fmt: skip
        self._append(event)
        return event

    def complete(
        self,
        begun: Event,
        outcome: Type | str,
        value: Any,
        *,
        node: str | None = None,
        session: str | None = None,
        version: int | None = None,
        error: list[str] | None = None,
    ) -> Event:
        """Record that an operation ends now; where the completion has no value, the invocation's stands."""
        index = self.index
        self.index = index + 1
        event = Event(
            index, self._now_ns() - self._origin_ns, begun.process, outcome, begun.f, begun.key,
            begun.value if value is None else value,
            begun.node if node is None else node, session, version, error, begun.index,
        )  # fmt: skip
        self._append(event)
        return event

    def use(self, thread: int) -> int:
        """Return the process for a client about to be opened on the thread: a fresh one each time."""
        if self.used[thread]:
            self.processes[thread] += self.clients
        self.used[thread] = True
        return self.processes[thread]
