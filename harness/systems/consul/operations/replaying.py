"""Applies the entries of a log as a Consul server does (agent/consul/fsm, agent/consul/state), keys and sessions.

A key keeps its index when a write changes nothing. A transaction is done whole or not at all. A session that ends lets
go of its keys, or removes them; it ends with its node, or when one of its checks turns critical.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from quorate.harness.systems.consul.operations.raftlog import Raw
from quorate.harness.systems.consul.operations.records import (
    DeregisterRequest,
    DirEntry,
    Held,
    KvsRequest,
    RegisterRequest,
    SessionRecord,
    SessionRequest,
    TxnRequest,
)
from quorate.harness.systems.values import text, told


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A key: its value, and what Consul says with it."""

    value: bytes
    create: int
    modify: int
    lock: int
    flags: int
    session: str

    def dumped(self) -> list[Any]:
        """The key as a dump of a server has it (`health.dump`)."""
        shown = told(self.value) if self.value else None
        return [shown, self.create, self.modify, self.lock, self.flags, self.session or None]


class Session(msgspec.Struct, frozen=True):
    """A session: where it lives, the checks it ends with, and whether it takes its keys with it."""

    node: str
    checks: frozenset[str]
    deletes: bool


class Effect(msgspec.Struct, frozen=True):
    """What applying an entry did: the keys that it changed, why it was refused, and whether that is certain."""

    changed: tuple[str, ...] = ()
    refused: str = ""
    sure: bool = True


class _RefusedError(Exception):
    """A command is refused as a whole."""


class Store:
    """Keys and sessions of one server; those of a snapshot to begin with."""

    def __init__(self, held: Sequence[Held] = ()) -> None:
        self.keys: dict[str, Entry] = {}
        self._sessions: dict[str, Session] = {}
        for one in held:
            if isinstance(one, SessionRecord):
                self._open(one)
            else:
                self.keys[text(one.key)] = _entry(
                    one, one.create_index, one.modify_index, text(one.session), one.lock_index
                )

    def apply(self, raw: Raw) -> Effect:
        """Apply one entry."""
        before = self.keys
        self.keys = dict(before) if isinstance(raw.body, TxnRequest) else before
        try:
            return self._apply(raw)
        except _RefusedError as error:
            self.keys = before
            return Effect(refused=str(error))

    def dumped(self) -> dict[str, list[Any]]:
        """All keys in the form of a server's dump."""
        return {key: entry.dumped() for key, entry in self.keys.items()}

    def _apply(self, raw: Raw) -> Effect:  # noqa: PLR0911 - a table of commands
        match raw.body:
            case KvsRequest(op, entry):
                done, changed, sure = self._do(raw.index, text(op), entry)
                return Effect(tuple(changed), "" if done else "its condition did not hold", sure)
            case TxnRequest():
                return self._transaction(raw.index, raw.body)
            case SessionRequest(op, session):
                if op == b"create":
                    self._open(session)
                    return Effect()
                return Effect(tuple(self._end(raw.index, text(session.id))))
            case RegisterRequest(node, _, check, checks):
                every = [*([check] if check else []), *(checks or ())]
                critical = {text(one.check_id) for one in every if one.status == b"critical"}
                return Effect(tuple(self._ended_by(raw.index, text(node), critical, whole=False)))
            case DeregisterRequest(node, service, check_id):
                gone = {text(check_id)} if check_id else set()
                whole = not check_id and not service
                return Effect(tuple(self._ended_by(raw.index, text(node), gone, whole=whole)))
            case None:
                return Effect()

    def _transaction(self, index: int, body: TxnRequest) -> Effect:
        changed: list[str] = []
        certain = True
        for operation in body.ops or ():
            if operation.kv is None:
                certain = False  # of the catalogue or of sessions
                continue
            verb, entry = text(operation.kv.verb), operation.kv.dir_ent
            done, more, sure = self._do(index, verb, entry)
            if not done:
                raise _RefusedError(f"its {verb} of {text(entry.key)} did not hold")
            changed += more
            certain = certain and sure
        return Effect(tuple(dict.fromkeys(changed)), sure=certain)

    def _do(  # noqa: PLR0911 - a table of operations
        self, index: int, verb: str, given: DirEntry
    ) -> tuple[bool, list[str], bool]:
        """One operation on a key: whether its condition held, what it changed, and whether that is certain."""
        key = text(given.key)
        found = self.keys.get(key)
        if verb in _CONDITIONS:
            return self._holds(verb, given, found), [], True
        match verb:
            case "set" | "cas":
                if verb == "cas" and given.modify_index != (found.modify if found else 0):
                    return False, [], True
                session = found.session if found else ""
                return True, self._set(index, key, given, session, given.lock_index), True
            case "delete" | "delete-cas":
                if verb == "delete-cas" and (found is None or found.modify != given.modify_index):
                    return found is None, [], True
                return True, [key] if self.keys.pop(key, None) else [], True
            case "delete-tree":
                gone = [each for each in self.keys if each.startswith(key)]
                for each in gone:
                    del self.keys[each]
                return True, gone, True
            case "lock" | "unlock":
                return *self._lock(index, key, given, release=verb == "unlock"), True
            case _:
                return True, [], False

    @staticmethod
    def _holds(verb: str, given: DirEntry, found: Entry | None) -> bool:
        match verb:
            case "check-not-exists":
                return found is None
            case "check-index":
                return found is not None and found.modify == given.modify_index
            case "check-session":
                return found is not None and found.session == text(given.session)
            case "get":
                return found is not None
            case _:
                return True

    def _lock(self, index: int, key: str, given: DirEntry, *, release: bool) -> tuple[bool, list[str]]:
        found, session = self.keys.get(key), text(given.session)
        if release:
            if found is None or found.session != session:
                return False, []
            return True, self._set(index, key, given, "", found.lock)
        if session not in self._sessions:
            raise _RefusedError(f"session {session} does not exist")
        if found is not None and found.session not in {"", session}:
            return False, []
        locks = found.lock if found else 0
        held = found is not None and found.session == session
        return True, self._set(index, key, given, session, locks if held else locks + 1)

    def _set(self, index: int, key: str, given: DirEntry, session: str, lock: int) -> list[str]:
        found = self.keys.get(key)
        made = _entry(given, found.create if found else index, index, session, lock)
        if found is not None and msgspec.structs.replace(made, modify=found.modify) == found:
            return []
        self.keys[key] = made
        return [key]

    def _open(self, given: SessionRecord) -> None:
        checks = frozenset(text(check) for check in [*(given.checks or ()), *(given.node_checks or ())])
        self._sessions[text(given.id)] = Session(text(given.node), checks, given.behavior == b"delete")

    def _end(self, index: int, session: str) -> list[str]:
        """End a session; return the keys that it let go."""
        ended = self._sessions.pop(session, None)
        if ended is None:
            return []
        held = [key for key, entry in self.keys.items() if entry.session == session]
        for key in held:
            if ended.deletes:
                del self.keys[key]
            else:
                self.keys[key] = msgspec.structs.replace(self.keys[key], session="", modify=index)
        return held

    def _ended_by(self, index: int, node: str, checks: set[str], *, whole: bool) -> list[str]:
        """End the sessions of a node that some checks end, or all of them; return the keys that they let go."""
        ended = [
            name
            for name, session in self._sessions.items()
            if session.node == node and (whole or session.checks & checks)
        ]
        return [key for name in ended for key in self._end(index, name)]


_CONDITIONS: Final = frozenset({"check-not-exists", "check-index", "check-session", "get", "get-tree"})


def _entry(given: DirEntry, create: int, modify: int, session: str, lock: int) -> Entry:
    return Entry(given.value or b"", create, modify, lock, given.flags, session)
