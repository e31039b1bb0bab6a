"""The runs that a hunt begins with: every workload once in each of three rounds, with its own default settings.

First in calm, for most bugs that are known need no more than the right workload; then while leaders are paused until
others lead, and wake, which is what two leaders, stale answers and lost leases come from; then while servers crash,
alone and one as another comes back, and leaders are cut off. Whatever else there is comes with the draws that follow.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from quorate.harness.core.tuning import SETTING, SMALL
from quorate.harness.hunt.genes import Genes
from quorate.harness.hunt.space import Evenly, Space

_NODES, _CLIENTS, _RATE = 3, 24, 500.0
_TOGETHER: Final = 3  # workloads side by side: starting servers costs more than another workload does


class Round(msgspec.Struct, frozen=True):
    """One pass over all workloads. `whole` says whether its loads last as long as a run may, or as short."""

    faults: tuple[str, ...]
    interval_s: float
    whole: bool


ROUNDS: Final = (
    Round((), 5.0, whole=False),
    # Three wakings a run, most of them after longer than a lease lives by default.
    Round(("pause:leader",), 4.5, whole=True),
    Round(("kill", "staged", "partition:leader"), 3.0, whole=True),
)


def survey(space: Space, rng: Random) -> list[Genes]:
    """Return its runs in their order; the seed decides which workloads run side by side."""
    return [
        _genes(space, workloads, one, rng) for one in ROUNDS for workloads in groups(space, rng) if workloads
    ]


def groups(space: Space, rng: Random) -> list[tuple[str, ...]]:
    """Return all workloads once, in groups that can run side by side, in an order of the seed's."""
    names = sorted(space.workloads)
    rng.shuffle(names)
    found: list[tuple[str, ...]] = []
    for name in names:
        fitting = (
            number
            for number, group in enumerate(found)
            if len(group) < _TOGETHER and space.go_together((*group, name), _CLIENTS)
        )
        if (number := next(fitting, None)) is None:
            found.append((name,))
        else:
            found[number] = (*found[number], name)
    return found


def _genes(space: Space, workloads: tuple[str, ...], one: Round, rng: Random) -> Genes:
    possible = tuple(fault for fault in one.faults if fault.partition(":")[0] in space.faults)
    extra: dict[str, str] = {}
    if one.faults and not possible:  # the choice of faults was narrowed to others
        drawn = space.draw(rng, Evenly())
        possible = drawn.faults
        extra = {key: value for key, value in drawn.extra.items() if key.partition(".")[0] in space.faults}
    if space.tunes:
        extra[SETTING] = SMALL
    found = Genes(
        workloads=workloads,
        faults=possible,
        nodes=_NODES,
        clients=_CLIENTS,
        rate=_RATE,
        time_s=space.seconds[one.whole],
        interval_s=one.interval_s,
        extra=extra,
        seed=rng.randrange(1 << 31),
    )
    return found if space.works(found) else msgspec.structs.replace(found, faults=(), extra={})


__all__ = ["ROUNDS", "Round", "groups", "survey"]
