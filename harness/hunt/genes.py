"""One run of a hunt as it was drawn: everything that decides it, and its parts as a learner counts them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from quorate.harness.core.test import Test

Arm = tuple[str, str]


class Genes(msgspec.Struct, frozen=True):
    """What was drawn. Several workloads run side by side.

    `extra` are settings that go with workloads, faults and tuning; `seed` decides all the rest.
    """

    workloads: tuple[str, ...]
    faults: tuple[str, ...]
    nodes: int
    clients: int
    rate: float
    time_s: float
    interval_s: float
    extra: Mapping[str, str]
    seed: int

    def test(self, base: Test) -> Test:
        """Return the test: the base's settings, which somebody gave, stand above those that were drawn."""
        return msgspec.structs.replace(
            base,
            workload=self.workloads,
            faults=self.faults,
            nodes=self.nodes,
            clients=self.clients,
            rate=self.rate,
            time=self.time_s,
            fault_interval=self.interval_s,
            settings={**self.extra, **base.settings},
            seed=self.seed,
        )

    def arms(self) -> frozenset[Arm]:
        """Return the choices that were made, each as (what, which); the seed is none."""
        found = {
            *(("workload", workload) for workload in self.workloads),
            ("nodes", str(self.nodes)),
            ("clients", str(self.clients)),
            ("rate", f"{self.rate:g}"),
            ("interval", f"{self.interval_s:g}"),
            *(("fault", fault.partition(":")[0]) for fault in self.faults or ("none",)),
            *((f"set {key}", value) for key, value in self.extra.items()),
        }
        return frozenset(found)
