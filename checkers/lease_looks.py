"""What lookers saw of all leases at once: one entry a look, each distinct sight decoded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from quorate.harness.history import History
from quorate.harness.history.columns import NEMESIS_PROCESS, NO_VERSION, NONE, OK, Columns

NEVER: Final = 1 << 62
FUNCTIONS: Final = ("look", "rest")


class Call(msgspec.Struct, frozen=True, gc=False):
    """One operation: when asked, when answered (`NEVER`: not), by whom and where, and the indexes of its events."""

    asked: int
    done: int
    process: int
    node: str | None
    version: int
    ok: bool
    events: tuple[int, ...]

    @classmethod
    def of(cls, columns: Columns, begun: int, ended: int | None) -> Call:
        """Read it from the columns, by the positions of its events."""
        last = begun if ended is None else ended
        places = (begun,) if ended is None else (begun, ended)
        version = columns.version[last]
        return cls(
            asked=int(columns.time[begun]),
            done=NEVER if ended is None else int(columns.time[ended]),
            process=int(columns.process[begun]),
            node=columns.text(columns.node[last]),
            version=0 if version == NO_VERSION else int(version),
            ok=ended is not None and bool(columns.kind[ended] == OK),
            events=tuple(int(columns.index[at]) for at in places),
        )


class Look(msgspec.Struct, frozen=True, gc=False):
    """One reading of all keys; `rest`: after the last heal."""

    call: Call
    names: frozenset[str]
    version: int
    term: int | None
    rest: bool


class Looks:
    """All looks that were answered, in the order in which they were asked for.

    `asked` and `done` are in ns; `sight` numbers what was seen, for `names` and `terms`.
    """

    def __init__(self, history: History) -> None:
        columns = self._columns = history.columns
        done = np.flatnonzero(
            called(columns, *FUNCTIONS)
            & (columns.kind == OK)
            & (columns.pair != NONE)
            & (columns.process != NEMESIS_PROCESS)
        )
        begun = columns.pair[done].astype(np.int64)
        order = np.argsort(columns.time[begun], kind="stable")
        self._done, self._begun = done[order], begun[order]
        self.asked: npt.NDArray[np.int64] = columns.time[self._begun]
        self.done: npt.NDArray[np.int64] = columns.time[self._done]
        self.rest = called(columns, "rest")[self._done]
        sights, self.sight = np.unique(columns.value[self._done], return_inverse=True)
        seen = [columns.text(sight) for sight in sights]
        self.names = [frozenset(one["names"]) for one in seen]
        self.terms: list[int | None] = [one["term"] for one in seen]
        self._turns = [*(np.flatnonzero(np.diff(self.sight)) + 1).tolist(), len(self)]

    def __len__(self) -> int:
        return len(self._done)

    def __getitem__(self, number: int) -> Look:
        sight = int(self.sight[number])
        call = Call.of(self._columns, int(self._begun[number]), int(self._done[number]))
        return Look(call, self.names[sight], call.version, self.terms[sight], bool(self.rest[number]))

    def first_done(self, rest: bool | None = None) -> list[int]:  # noqa: FBT001 - which looks
        """Of each sight when the first look that saw it was answered; with `rest` only of those looks."""
        chosen = slice(None) if rest is None else self.rest == rest
        first = np.full(len(self.names), NEVER, dtype=np.int64)
        np.minimum.at(first, self.sight[chosen], self.done[chosen])
        found: list[int] = first.tolist()
        return found

    def walk(self, since: Mapping[str, int], visit: Callable[[int, int, list[str]], bool]) -> None:
        """Go through the looks: number, sight, and the names that are `since` before its asking, each reported once.

        A look that sees the same as the one before, when nothing new has come, is visited only if `visit` returned
        True for that one.
        """
        names = sorted(since, key=since.__getitem__)
        starts = np.searchsorted(self.asked, [since[name] for name in names], side="right").tolist()
        number = came = turn = 0
        while number < len(self):
            before = came
            while came < len(names) and starts[came] <= number:
                came += 1
            again = visit(number, int(self.sight[number]), names[before:came])
            while self._turns[turn] <= number:
                turn += 1
            number = number + 1 if again else min([self._turns[turn], *starts[came : came + 1]])


def called(columns: Columns, *functions: str) -> npt.NDArray[np.bool_]:
    """Which events are of these functions."""
    handles = [f for f in np.unique(columns.f) if columns.text(f) in functions]
    return np.isin(columns.f, handles)
