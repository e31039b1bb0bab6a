"""Applies the entries of a log as a Consul server does (agent/consul/fsm, agent/consul/state), keys and sessions.

A key keeps its index when a write changes nothing. A transaction is done whole or not at all. A session that ends lets
go of its keys, or removes them; it ends with its node, or with a check of its own that turns critical.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

import msgspec

from quorate.harness.systems.consul.operations.raftlog import Raw


class Kind(IntEnum):
    """Types of commands, as far as they touch keys."""

    REGISTER = 0
    DEREGISTER = 1
    KVS = 2
    SESSION = 3
    TXN = 8


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
        text = self.value.decode(errors="backslashreplace") if self.value else None
        return [text, self.create, self.modify, self.lock, self.flags, self.session or None]


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
    """A transaction is refused as a whole."""


class Store:
    """Keys and sessions of one server; a snapshot's records give it some to begin with."""

    def __init__(self, records: Sequence[tuple[int, Any]] = ()) -> None:
        self.keys: dict[str, Entry] = {}
        self._sessions: dict[str, Session] = {}
        for kind, record in records:
            if kind == Kind.KVS:
                index = _indexes(record)
                self.keys[text(record["Key"])] = _entry(record, *index)
            elif kind == Kind.SESSION:
                self._open(record)

    def apply(self, raw: Raw) -> Effect:
        """Apply one entry."""
        before = self.keys
        self.keys = dict(before) if raw.kind == Kind.TXN else before
        try:
            changed = self._apply(raw)
        except _RefusedError as error:
            self.keys = before
            return Effect(refused=str(error))
        except (KeyError, TypeError, ValueError, AttributeError):
            return Effect(sure=False)
        return changed

    def dumped(self) -> dict[str, Any]:
        """All keys in the form of a server's dump."""
        return {key: entry.dumped() for key, entry in self.keys.items()}

    def _apply(self, raw: Raw) -> Effect:
        match raw.kind:
            case Kind.KVS:
                return self._kvs(raw.index, raw.body)
            case Kind.TXN:
                return self._transaction(raw.index, raw.body)
            case Kind.SESSION:
                if text(raw.body["Op"]) == "create":
                    self._open(raw.body["Session"])
                    return Effect()
                return Effect(tuple(self._end(raw.index, text(raw.body["Session"]["ID"]))))
            case Kind.REGISTER | Kind.DEREGISTER:
                return Effect(tuple(self._ended_by(raw)))
            case _:
                return Effect()

    def _kvs(self, index: int, body: Mapping[str, Any]) -> Effect:
        done, changed = self._do(index, text(body["Op"]), body["DirEnt"])
        return Effect(tuple(changed), "" if done else "its condition did not hold")

    def _transaction(self, index: int, body: Mapping[str, Any]) -> Effect:
        changed: list[str] = []
        sure = True
        for operation in body["Ops"] or ():
            kv = operation.get("KV")
            if kv is None:
                sure = False  # of the catalogue or of sessions
                continue
            verb, entry = text(kv["Verb"]), kv["DirEnt"]
            key = text(entry["Key"])
            if verb in _CHECKS:
                self._check(verb, key, entry)
                continue
            done, more = self._do(index, verb, entry)
            if not done:
                raise _RefusedError(f"its {verb} of {key} did not hold")
            changed += more
        return Effect(tuple(dict.fromkeys(changed)), sure=sure)

    def _check(self, verb: str, key: str, entry: Mapping[str, Any]) -> None:
        found = self.keys.get(key)
        match verb:
            case "check-not-exists":
                holds = found is None
            case "check-index":
                holds = found is not None and found.modify == _indexes(entry)[1]
            case "check-session":
                holds = found is not None and found.session == text(entry.get("Session"))
            case "get":
                holds = found is not None
            case _:
                holds = True
        if not holds:
            raise _RefusedError(f"its {verb} of {key} did not hold")

    def _do(  # noqa: PLR0911 - a table of operations
        self, index: int, verb: str, given: Mapping[str, Any]
    ) -> tuple[bool, list[str]]:
        """One operation on a key: whether its condition held, and what it changed."""
        key, found = text(given["Key"]), self.keys.get(text(given["Key"]))
        asked = _indexes(given)[1]
        match verb:
            case "set":
                return True, self._set(index, key, given, found.session if found else "")
            case "cas":
                if asked != (found.modify if found else 0):
                    return False, []
                return True, self._set(index, key, given, found.session if found else "")
            case "delete" | "delete-cas":
                if verb == "delete-cas" and (found is None or found.modify != asked):
                    return found is None, []
                return True, [key] if self.keys.pop(key, None) else []
            case "delete-tree":
                gone = [each for each in self.keys if each.startswith(key)]
                for each in gone:
                    del self.keys[each]
                return True, gone
            case "lock" | "unlock":
                return self._lock(index, key, given, release=verb == "unlock")
            case _:
                raise ValueError(f"unknown operation {verb}")

    def _lock(
        self, index: int, key: str, given: Mapping[str, Any], *, release: bool
    ) -> tuple[bool, list[str]]:
        found, session = self.keys.get(key), text(given.get("Session"))
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

    def _set(
        self, index: int, key: str, given: Mapping[str, Any], session: str, lock: int | None = None
    ) -> list[str]:
        found = self.keys.get(key)
        made = _entry(given, found.create if found else index, index, session=session, lock=lock)
        if found is not None and msgspec.structs.replace(made, modify=found.modify) == found:
            return []
        self.keys[key] = made
        return [key]

    def _open(self, given: Mapping[str, Any]) -> None:
        checks = [*(given.get("Checks") or ()), *(given.get("NodeChecks") or ())]
        self._sessions[text(given["ID"])] = Session(
            text(given.get("Node")),
            frozenset(text(check) for check in checks),
            text(given.get("Behavior")) == "delete",
        )

    def _end(self, index: int, session: str) -> list[str]:
        """End a session; return the keys that it let go."""
        ended = self._sessions.pop(session, None)
        held = [key for key, entry in self.keys.items() if entry.session == session] if ended else []
        for key in held:
            if ended is not None and ended.deletes:
                del self.keys[key]
            else:
                self.keys[key] = msgspec.structs.replace(self.keys[key], session="", modify=index)
        return held

    def _ended_by(self, raw: Raw) -> list[str]:
        """End the sessions that a change of the catalogue ends."""
        node = text(raw.body.get("Node"))
        if raw.kind == Kind.REGISTER:
            checks = [one for one in [raw.body.get("Check"), *(raw.body.get("Checks") or ())] if one]
            gone = {text(one["CheckID"]) for one in checks if text(one.get("Status")) == "critical"}
            whole = False
        else:
            check = text(raw.body.get("CheckID"))
            gone, whole = {check} if check else set(), not check and not text(raw.body.get("ServiceID"))
        ended = [
            name
            for name, session in self._sessions.items()
            if session.node == node and (whole or session.checks & gone)
        ]
        return [key for name in ended for key in self._end(raw.index, name)]


_CHECKS: Final = frozenset({"check-not-exists", "check-index", "check-session", "get", "get-tree"})


def _indexes(record: Mapping[str, Any]) -> tuple[int, int]:
    """When a record was made and last changed; a release may keep both one level deeper."""
    inner = record.get("RaftIndex") or record
    return int(inner.get("CreateIndex") or 0), int(inner.get("ModifyIndex") or 0)


def _entry(
    given: Mapping[str, Any], create: int, modify: int, *, session: str | None = None, lock: int | None = None
) -> Entry:
    return Entry(
        given.get("Value") or b"",
        create,
        modify,
        int(given.get("LockIndex") or 0) if lock is None else lock,
        int(given.get("Flags") or 0),
        text(given.get("Session")) if session is None else session,
    )


def text(stored: Any) -> str:
    """Bytes as text, whatever they are; nothing is empty."""
    return stored.decode(errors="backslashreplace") if isinstance(stored, bytes) else ""
