"""The replicated state: what applying a command does, the same on every replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from harness.outcome import Refused, Reply
from harness.systems.simulated.commands import NOTHING, Command, Outcome

_SPACES: Final = {
    "read": "register", "write": "register", "cas": "register",
    "add": "set", "members": "set",
    "enqueue": "queue", "dequeue": "queue",
    "acquire": "lock", "release": "lock", "expire": "lock",
    "increment": "counter", "value": "counter",
}  # fmt: skip
_EMPTY: Final[Mapping[str, Any]] = {
    "register": None,
    "set": frozenset(),
    "queue": (),
    "lock": None,
    "counter": 0,
    "txn": None,
}


class Cell(msgspec.Struct, frozen=True, gc=False):
    """What a key holds and the log index that put it there."""

    value: Any
    version: int


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What a command does to the state: new values by (space, key), and what the client is told."""

    outcome: Outcome
    changes: tuple[tuple[tuple[str, str], Any], ...] = ()


class Store:
    """All cells, by (space, key)."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], Cell] = {}
        self._held: dict[tuple[str, str], tuple[int, Effect]] = {}

    def cell(self, space: str, key: str) -> Cell:
        """Return what a key holds."""
        return self.cells.get((space, key)) or Cell(_EMPTY[space], 0)

    def query(self, command: Command) -> Reply:
        """Answer a read."""
        cell = self.cell(_SPACES[command.f], command.key)
        value = sorted(cell.value) if command.f == "members" else cell.value
        return Reply(value=value, version=cell.version or None, session=command.session)

    def apply(self, index: int, command: Command) -> Outcome:
        """Apply a committed command, with the bug that it carries."""
        if command.f == NOTHING:
            return Reply(version=index)
        effect = self._prepared(index, command) if command.prepared else self.effect(index, command)
        changes = effect.changes
        if command.twist == "lose" and changes:
            changes = ()
        if command.twist == "late" and changes:
            self._held.setdefault(changes[0][0], (index, effect))
            return effect.outcome
        self._put(index, changes)
        for place, _ in changes:
            if place in self._held:
                self._put(index, self._held.pop(place)[1].changes)
        return effect.outcome

    def _prepared(self, index: int, command: Command) -> Effect:
        effect: Effect = command.prepared(self)
        if isinstance(effect.outcome, Reply):
            return Effect(msgspec.structs.replace(effect.outcome, version=index), effect.changes)
        return effect

    def _put(self, index: int, changes: Sequence[tuple[tuple[str, str], Any]]) -> None:
        for place, value in changes:
            self.cells[place] = Cell(value, index)

    def effect(self, index: int, command: Command) -> Effect:  # noqa: PLR0911 - a table of commands
        """Return what a command would do now."""
        if command.f == "txn":
            return self._transaction(index, command)
        space = _SPACES[command.f]
        place = (space, command.key)
        old = self.cell(space, command.key).value
        ok = Reply(version=index, session=command.session)
        match command.f:
            case "write":
                return Effect(ok, ((place, command.argument),))
            case "cas":
                expected, new = command.argument
                if old != expected:
                    version = self.cell(space, command.key).version
                    return Effect(Refused("mismatch", seen=old, version=version or None))
                return Effect(ok, ((place, new),))
            case "add":
                return Effect(ok, ((place, old | {command.argument}),))
            case "increment":
                return Effect(ok, ((place, old + command.argument),))
            case "enqueue":
                return Effect(ok, ((place, (*old, command.argument)),))
            case "dequeue":
                return self._dequeue(place, old, ok, command)
            case _:
                return self._lock(place, old, index, command)

    def _dequeue(self, place: tuple[str, str], old: Sequence[Any], ok: Reply, command: Command) -> Effect:
        if not old:
            return Effect(ok)
        reply = msgspec.structs.replace(ok, value=old[0])
        return Effect(reply, () if command.twist == "keep" else ((place, tuple(old[1:])),))

    def _lock(self, place: tuple[str, str], holder: str | None, index: int, command: Command) -> Effect:
        ok = Reply(version=index, session=command.session)
        match command.f:
            case "acquire":
                if holder is not None and command.twist != "share":
                    return Effect(Refused("held"))
                return Effect(msgspec.structs.replace(ok, value=index), ((place, command.session),))
            case "release":
                if holder != command.session and command.twist != "share":
                    return Effect(Refused("not-held"))
                return Effect(ok, ((place, None),))
            case _:
                return Effect(ok, ((place, None),) if holder == command.argument else ())

    def _transaction(self, index: int, command: Command) -> Effect:
        """Run micro-operations in order, each seeing what those before it did."""
        new: dict[str, Any] = {}
        done = []
        for f, key, argument in command.argument:
            value = new[key] if key in new else self.cell("txn", key).value
            if f == "r":
                done.append([f, key, value])
                continue
            new[key] = [*(value or []), argument] if f == "append" else argument
            done.append([f, key, argument])
        changes = tuple((("txn", key), value) for key, value in new.items())
        return Effect(Reply(value=done, version=index, session=command.session), changes)
