"""What the faults of a run did, from its history: when each began, was proved and healed, and what clients met."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from quorate.harness.core.injection import Turn, injections, turns
from quorate.harness.core.results import FaultRow, Step, fault_row
from quorate.harness.history import History
from quorate.harness.history.operations import Bools, Ints, Operations
from quorate.harness.run.outages import longest_within, stretches


def faults(history: History, operations: Operations, end_s: float) -> list[FaultRow]:
    """Pair each injection with its healing and say what clients met; times in seconds since the run's start.

    `outage_s` is the longest stretch without any service that touched the fault. `recovery_s` is the time from the
    proved healing to the first operation then served by each affected node, the slowest of them; None when that never
    came.
    """
    met = _Met(operations, end_s)
    return [met.row(fault_row(one)) for one in injections(history.nemesis())]


class _Met:
    """What the operations of a run met."""

    def __init__(self, operations: Operations, end_s: float) -> None:
        self._end_s = end_s
        self._began, self._ended = operations.begin_s, operations.end_s
        self._answered = operations.served()
        self._served = self._answered & np.isfinite(self._ended)
        self._stretches = stretches(self._began, self._ended, self._served, end_s)
        self._by_node = dict(operations.by_node())

    def row(self, row: FaultRow) -> FaultRow:
        """Add to the row of a fault what clients met until its healing began, and until it was proved."""
        began = row.began_s or 0.0
        asked = self._begun(began, self._end_s if row.heal_began_s is None else row.heal_began_s)
        until = self._end_s if row.healed_s is None else row.healed_s
        during = self._begun(began, until)
        known = {node: self._by_node[node] for node in row.nodes if node in self._by_node}
        return msgspec.structs.replace(
            row,
            asked=int(asked.sum()),
            unasked=[node for node, mine in known.items() if not asked[mine].any()],
            availability=round(float(self._served[during].mean()), 4) if during.any() else None,
            outage_s=longest_within(self._stretches, began, until) if during.any() else None,
            recovery_s=None if row.healed_s is None else self._recovery(known.values(), row.healed_s),
            steps=[self._step(turn.since(-began)) for turn in turns(row.proof)],
        )

    def _begun(self, from_s: float, to_s: float) -> Bools:
        begun: Bools = (self._began >= from_s) & (self._began < to_s)
        return begun

    def _recovery(self, nodes: Iterable[Ints], healed_s: float) -> float | None:
        slowest = 0.0
        for mine in nodes:
            after = mine[self._served[mine] & (self._began[mine] >= healed_s)]
            if not len(after):
                return None
            slowest = max(slowest, float(self._ended[after].min()) - healed_s)
        return round(slowest, 3)

    def _step(self, turn: Turn) -> Step:
        """Return one step of a fault that goes from node to node; the turn is by the run's clock."""
        during = self._begun(turn.stopped_s, turn.healthy_s)
        served = self._answered[during]
        waits = (self._ended - self._began)[during][served]
        return Step(
            **msgspec.structs.asdict(turn),
            availability=round(float(served.mean()), 4) if len(served) else None,
            slowest_ms=round(float(waits.max()) * 1e3, 1) if len(waits) else None,
            outage_s=longest_within(self._stretches, turn.stopped_s, turn.healthy_s),
        )
