"""From cells to jobs: which run comes next, interleaved so that an early end still says something of every cell."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from quorate.harness.campaign.cell import Cell


class Job(msgspec.Struct, frozen=True):
    """One run to be made: a cell's `turn`-th, with its seed."""

    cell: Cell
    turn: int
    seed: int

    @property
    def key(self) -> str:
        """Identity for resume: the cell and the turn."""
        return f"{self.cell.key}/{self.turn}"

    def again(self) -> Job:
        """Return the same in the next round: as many turns and seeds further as the cell has repeats."""
        return Job(self.cell, self.turn + self.cell.repeat, self.seed + self.cell.repeat)


def jobs(cells: Sequence[Cell], seed: int) -> list[Job]:
    """Return every run of every cell, in the order of stride scheduling (Waldspurger 1995).

    A cell of weight 2 gets its turns twice as early as one of weight 1, so that within a budget it gets about twice
    the runs. Cells with equal claims come in an order shuffled by the campaign's seed: neighbours in the file share
    their weaknesses, and a machine that tires hits all alike.
    """
    order = list(range(len(cells)))
    random.Random(f"{seed}/order").shuffle(order)
    claims = []
    for rank, index in enumerate(order):
        cell = cells[index]
        first = cell.test.seed if cell.test.seed is not None else _drawn(seed, cell)
        for turn in range(cell.repeat):
            stride = (turn + 1) / max(cell.weight, 1e-9)
            claims.append((stride, rank, Job(cell=cell, turn=turn, seed=first + turn)))
    claims.sort(key=lambda claim: claim[:2])
    return [job for _, _, job in claims]


def _drawn(seed: int, cell: Cell) -> int:
    """A seed that depends on the campaign's and the cell, not on the place in the file."""
    return random.Random(f"{seed}/{cell.key}").randrange(1 << 31)
