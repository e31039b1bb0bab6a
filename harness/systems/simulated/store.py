"""The replicated state: what applying a command does, the same on every replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.simulated.commands import NOTHING, Command, Outcome

_SPACES: Final = {
    "read": "register", "write": "register", "cas": "register",
    "add": "set", "members": "set",
    "enqueue": "queue", "dequeue": "queue",
    "acquire": "lock", "release": "lock", "expire": "lock",
    "increment": "counter", "value": "counter",
    "current": "revisions", "replace": "revisions", "set_name": "revisions",
    "grant": "lease", "revoke": "lease", "lapse": "lease", "renew": "lease", "granted": "lease",
    "campaign": "election", "proclaim": "election", "resign": "election", "depose": "election",
    "leader": "election", "next_id": "ids",
}  # fmt: skip
_EMPTY: Final[Mapping[str, Any]] = {
    "register": None,
    "set": frozenset(),
    "queue": (),
    "lock": None,
    "counter": 0,
    "txn": None,
    "revisions": None,
    "lease": None,
    "beside": 0,
    "election": None,
    "ids": None,
}


class Cell(msgspec.Struct, frozen=True, gc=False):
    """What a key holds and the log index that put it there."""

    value: Any
    version: int


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What a command does to the state: new values by (space, key), and what the client receives."""

    outcome: Outcome
    changes: tuple[tuple[tuple[str, str], Any], ...] = ()


class Past:
    """The changes of revisions from the compacted one on, as (index, key, value), oldest first.

    `base` is what the changes before them left: each key's last change, deletions included.
    """

    def __init__(self) -> None:
        self.compacted = 0
        self.changes: list[tuple[int, str, Any]] = []
        self.base: dict[str, tuple[int, Any]] = {}

    def forget(self, revision: int) -> None:
        """Drop what came before the revision."""
        self.compacted = revision
        for index, key, value in self.changes:
            if index < revision:
                self.base[key] = (index, value)
        self.changes = [change for change in self.changes if change[0] >= revision]

    def state(self, prefix: str, revision: int) -> list[list[Any]]:
        """What was there at the revision: [key without the prefix, value, revision of its last change], by key."""
        found = dict(self.base)
        for index, key, value in self.changes:
            if index <= revision:
                found[key] = (index, value)
        return [
            [key.removeprefix(prefix), value, index]
            for key, (index, value) in sorted(found.items())
            if key.startswith(prefix) and value is not None
        ]


class Store:
    """All cells, by (space, key)."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], Cell] = {}
        self.applied = 0
        self.past = Past()
        self._held: dict[tuple[str, str], tuple[int, Effect]] = {}

    def cell(self, space: str, key: str) -> Cell:
        """Return what a key holds."""
        return self.cells.get((space, key)) or Cell(_EMPTY[space], 0)

    def query(self, command: Command) -> Outcome:
        """Answer a read."""
        if command.f == "listing":
            return self._listing(command)
        if command.f == "names":
            return self._names(command)
        if command.f == "granted":
            prefix = f"{command.key}/"
            alive = [*self.leases(), *self._beside()]
            names = sorted(key.removeprefix(prefix) for key in alive if key.startswith(prefix))
            return Reply(value=names, version=self.applied, session=command.session)
        cell = self.cell(_SPACES[command.f], command.key)
        if command.f == "current":  # its version is the whole store's, not the key's
            return Reply(value=cell.value, version=self.applied, session=command.session)
        if command.f == "leader":
            said = None if cell.value is None else [cell.value[2], cell.value[1]]
            return Reply(value=said, version=cell.version or None, session=command.session)
        value = sorted(cell.value) if command.f == "members" else cell.value
        return Reply(value=value, version=cell.version or None, session=command.session)

    def leases(self) -> dict[str, float]:
        """Return the keys that live under leases, and for how many seconds each lives when it is renewed."""
        return {
            key: cell.value
            for (space, key), cell in self.cells.items()
            if space == "lease" and cell.value is not None
        }

    def _beside(self) -> list[str]:
        """Return the keys that share a lease with another."""
        return [
            f"{key}+{number}"
            for (space, key), cell in self.cells.items()
            if space == "beside"
            for number in range(1, 1 + (cell.value or 0))
        ]

    def owners(self) -> list[tuple[str, str, str]]:
        """Return (space, key, session) of what ends with its session."""
        found = []
        for (space, key), cell in self.cells.items():
            if cell.value is not None and space in {"lock", "election"}:
                found.append((space, key, cell.value if space == "lock" else cell.value[0]))
        return found

    def apply(self, index: int, command: Command) -> Outcome:
        """Apply a committed command, with the bug that it carries."""
        self.applied = index
        if command.f == NOTHING:
            return Reply(version=index)
        if command.f == "forget":
            return self._forget(index, command)
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
            if place[0] == "revisions":
                self.past.changes.append((index, place[1], value))

    def effect(self, index: int, command: Command) -> Effect:  # noqa: PLR0911 - a table of commands
        """Return what a command would do now."""
        own = {
            "txn": self._transaction,
            "change": self._change,
            "replace": self._replace,
            "set_name": self._set_name,
        }
        if command.f in own:
            return own[command.f](index, command)
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
                    return Effect(Refused("mismatch", seen=old, version=version or None, answer=ANSWERED))
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
                others = {"lease": self._lease, "election": self._election, "ids": self._number}
                return others.get(space, self._lock)(place, old, index, command)

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
                    return Effect(Refused("held", answer=ANSWERED))
                return Effect(msgspec.structs.replace(ok, value=index), ((place, command.session),))
            case "release":
                if holder != command.session and command.twist != "share":
                    return Effect(Refused("not-held", answer=ANSWERED))
                return Effect(ok, ((place, None),))
            case _:
                return Effect(ok, ((place, None),) if holder == command.argument else ())

    def _lease(self, place: tuple[str, str], ttl_s: float | None, index: int, command: Command) -> Effect:
        ok = Reply(version=index, session=command.session)
        others = ("beside", command.key)
        if command.f == "grant":
            granted_s, beside = command.argument
            return Effect(ok, ((place, granted_s), *(((others, beside),) if beside else ())))
        if ttl_s is None:
            return Effect(Refused("lease-gone", answer=ANSWERED))
        left = command.twist == "torn" or not self.cell(*others).value
        return Effect(ok, ((place, None), *(() if left else ((others, 0),))))

    def _election(self, place: tuple[str, str], old: Any, index: int, command: Command) -> Effect:
        """A cell holds the leader's session, its token and what it says; an argument is [value, the asker's token]."""
        session = command.session
        ok = Reply(version=index, session=session)
        leads = old is not None and old[0] == session
        match command.f:
            case "campaign" if old is None or leads or command.twist == "share":
                token = old[1] if leads else index
                return Effect(
                    msgspec.structs.replace(ok, value=token),
                    ((place, (session, token, command.argument[0])),),
                )
            case "proclaim" if leads:
                new = (session, old[1], command.argument[0])
                return Effect(msgspec.structs.replace(ok, value=old[1]), ((place, new),))
            case "proclaim" if command.twist == "share":
                return Effect(msgspec.structs.replace(ok, value=command.argument[1]))
            case "resign" if leads:
                return Effect(ok, ((place, None),))
            case "depose":
                return Effect(ok, ((place, None),) if old is not None and old[0] == command.argument else ())
            case _:
                return Effect(Refused("not-elected", answer=ANSWERED))

    def _number(self, place: tuple[str, str], old: int | None, index: int, command: Command) -> Effect:
        number = old if command.twist == "again" and old is not None else index
        return Effect(Reply(value=number, version=index, session=command.session), ((place, number),))

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

    def _change(self, index: int, command: Command) -> Effect:
        """Set or delete names of a space, unless the request looks at what is forgotten."""
        changes, past = command.argument
        if past is not None and past < self.past.compacted:
            return Effect(Refused("compacted", version=self.past.compacted, answer=ANSWERED))
        done = [
            (f"{command.key}/{name}", value)
            for name, value in changes.items()
            if value is not None or self.cell("revisions", f"{command.key}/{name}").value is not None
        ]
        names = [place.removeprefix(f"{command.key}/") for place, _ in done]
        ok = Reply(value=names, version=index, session=command.session)
        return Effect(ok, tuple((("revisions", place), value) for place, value in done))

    def _replace(self, index: int, command: Command) -> Effect:
        """Set or delete a name of a space if its last change was at the revision that the client knows."""
        value, known = command.argument
        cell = self.cell("revisions", command.key)
        revision = 0 if cell.value is None else cell.version
        if revision != known and command.twist != "unguarded":
            seen = [cell.value, revision]
            return Effect(
                Refused("conflict", f"its revision is not {known}", seen=seen, version=index, answer=ANSWERED)
            )
        ok = Reply(value=[value, known], version=index, session=command.session)
        return Effect(ok, ((("revisions", command.key), value),))

    def _set_name(self, index: int, command: Command) -> Effect:
        """Set or delete a name, and return which it was."""
        old, new = self.cell("revisions", command.key).value, command.argument
        if old is None and new is None:
            return Effect(Refused("not-found", answer=ANSWERED))
        did = "deleted" if new is None else "created" if old is None else "changed"
        ok = Reply(value=did, version=index, session=command.session)
        return Effect(ok, ((("revisions", command.key), new),))

    def _listing(self, command: Command) -> Outcome:
        """One page of what a space held at a revision (None: now), from behind a name; and whether more follow."""
        revision, after, page = command.argument
        if revision is not None and revision < self.past.compacted:
            return Refused("compacted", version=self.past.compacted, answer=ANSWERED)
        if revision is not None and revision > self.applied:
            return Refused("future-revision", answer=ANSWERED)
        at = self.applied if revision is None or command.twist == "torn" else revision
        left = [each for each in self.past.state(f"{command.key}/", at) if each[0] > after]
        objects = left[:page] if page else left
        return Reply(value=[objects, len(objects) < len(left)], version=self.applied, session=command.session)

    def _names(self, command: Command) -> Outcome:
        """The index of a space or of one name in it, deletions included, and what is there."""
        prefix, name = f"{command.key}/", command.argument
        cells = {
            key.removeprefix(prefix): cell
            for (space, key), cell in self.cells.items()
            if space == "revisions" and key.startswith(prefix) and name in {None, key.removeprefix(prefix)}
        }
        index = max((cell.version for cell in cells.values()), default=1)
        entries = {name: (cell.value, cell.version) for name, cell in cells.items() if cell.value is not None}
        return Reply(value=(index, entries), version=self.applied, session=command.session)

    def _forget(self, index: int, command: Command) -> Outcome:
        """Compact; refused where that was done already or is in the future."""
        revision: int = command.argument
        if revision <= self.past.compacted:
            return Refused("compacted", version=self.past.compacted, answer=ANSWERED)
        if revision > index:
            return Refused("future-revision", answer=ANSWERED)
        self.past.forget(revision)
        return Reply(version=index, session=command.session)
