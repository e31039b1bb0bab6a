"""What workloads that watch names have in common: who changes them, and to what."""

from __future__ import annotations

from quorate.harness.core.test import UsageError
from quorate.harness.core.workload import WorkloadOptions
from quorate.harness.generators import Draws, Generator, Invocation, each


def names_of(count: int) -> list[str]:
    """The names in use."""
    return [f"k{number}" for number in range(count)]


def changes(options: WorkloadOptions, names: int, delete_share: float) -> Generator:
    """Set names to unique values, or take them away."""

    def change(n: int, draws: Draws) -> Invocation:
        name = f"k{draws.below(names)}"
        return Invocation("set", name, None if draws.chance(delete_share) else n + 1)

    return each(change, options.rng)


def watching(workload: str, options: WorkloadOptions) -> int:
    """How many clients watch: half of them, one a node at most twice; raises `UsageError` where none is left."""
    least = 2
    if options.clients < least:
        raise UsageError(f"workload {workload}: give at least {least} clients")
    return min(options.clients // 2, 2 * options.nodes)
