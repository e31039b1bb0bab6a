"""What a run reports during its course."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.harness.history import Event


class Snapshot(msgspec.Struct, frozen=True):
    """One moment of a run. Without `operations` it is only the news that a phase began."""

    phase: str
    text: str = ""
    operations: int | None = None
    not_ok: int = 0
    rate_per_s: float = 0.0
    fault: str = ""
    left_s: float | None = None


Listener = Callable[[Snapshot], None]


class Counter:
    """Counts events as the journal takes them: the cheapest live consumer there can be."""

    def __init__(self) -> None:
        self.completed = 0
        self.not_ok = 0
        self._mark = (0, 0)

    def __call__(self, event: Event) -> None:
        """Count one event."""
        if event.type == "invoke" or event.process == "nemesis":
            return
        self.completed += 1
        if event.type != "ok":
            self.not_ok += 1

    def rate_per_s(self, now_ns: int) -> float:
        """Return completions per second since the last call."""
        then_ns, before = self._mark
        self._mark = (now_ns, self.completed)
        return (self.completed - before) * 1e9 / (now_ns - then_ns) if now_ns > then_ns else 0.0
