"""The Consul client: capabilities over keys, transactions and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from harness.outcome import Refused, Reply
from harness.systems.consul.caller import Caller, decode, encode, path, url_of

_MODES: Final = {"default": "", "consistent": "?consistent", "stale": "?stale"}
_NO_SESSION: Final = "no-session"


class RegisterCalls(Caller):
    """Registers by key. Writes go through transactions, because only their replies carry the index."""

    async def read(self, key: str) -> Reply:
        """Read in the mode of the options."""
        entry = await self._entry("register", key, self.options.reads)
        return self.reply(decode(entry), entry["ModifyIndex"] if entry else None)

    async def write(self, key: str, value: Any) -> Reply:
        """Set, whatever was there."""
        (entry,) = await self.txn([{"Verb": "set", "Key": path("register", key), "Value": encode(value)}])
        return self.reply(None, entry["ModifyIndex"])

    async def cas(self, key: str, old: Any, new: Any) -> Reply:
        """Compare the value (read consistently), then set if the index has not moved.

        Consul compares indexes, not values. A refusal by the value tells what was seen, whatever the read mode of the
        options: it was read in consistent mode.
        """
        entry = await self._entry("register", key, "consistent")
        seen = decode(entry)
        if seen != old:
            version = entry["ModifyIndex"] if entry else None
            raise Refused("mismatch", f"it holds {seen!r}", seen=seen, version=version)
        index = entry["ModifyIndex"] if entry else 0
        (done,) = await self.txn(
            [{"Verb": "cas", "Key": path("register", key), "Value": encode(new), "Index": index}]
        )
        return self.reply(None, done["ModifyIndex"])

    async def _entry(self, kind: str, key: str, mode: str) -> dict[str, Any] | None:
        answer = await self.call("GET", url_of(kind, key) + _MODES[mode], missing_is_none=True)
        return answer.body[0] if answer.body else None


class SetCalls(Caller):
    """Sets: a key for each element, below a prefix."""

    async def add(self, key: str, element: int) -> Reply:
        """Add an element; adding twice is adding once."""
        (entry,) = await self.txn(
            [{"Verb": "set", "Key": path("set", f"{key}/{element}"), "Value": encode(element)}]
        )
        return self.reply(None, entry["ModifyIndex"])

    async def members(self, key: str) -> Reply:
        """Read all elements in one query, in the mode of the options."""
        mode = _MODES[self.options.reads].replace("?", "&")
        answer = await self.call("GET", url_of("set", f"{key}/") + "?keys" + mode, missing_is_none=True)
        return self.reply(sorted(int(name.rpartition("/")[2]) for name in answer.body or []))


class TransactionCalls(Caller):
    """Transactions: read the keys, then write under the condition that none of them has moved."""

    async def transact(self, micro: Sequence[Sequence[Any]]) -> Reply:
        """Run the micro-operations atomically; somebody in between is a `Refused("conflict")`.

        Phase one reads every key in consistent mode; phase two is one Consul transaction that checks the index of each
        key read and writes the others by compare-and-set, so it applies at one point or not at all.
        """
        names = list(dict.fromkeys(str(key) for _, key, _ in micro))
        entries = {name: await self._consistent(name) for name in names}
        state = {name: decode(entry) for name, entry in entries.items()}
        done: list[list[Any]] = []
        written: set[str] = set()
        for function, key, value in micro:
            name = str(key)
            if function == "r":
                done.append([function, key, state[name]])
                continue
            state[name] = [*(state[name] or []), value] if function == "append" else value
            written.add(name)
            done.append([function, key, value])
        results = await self.txn(
            [self._condition(name, entries[name], name in written, state[name]) for name in names]
        )
        version = max((entry["ModifyIndex"] for entry in results if entry), default=None)
        return self.reply(done, version)

    async def _consistent(self, name: str) -> dict[str, Any] | None:
        answer = await self.call("GET", url_of("txn", name) + "?consistent", missing_is_none=True)
        return answer.body[0] if answer.body else None

    @staticmethod
    def _condition(name: str, entry: dict[str, Any] | None, is_written: bool, value: Any) -> dict[str, Any]:  # noqa: FBT001
        key = path("txn", name)
        if is_written:
            return {
                "Verb": "cas",
                "Key": key,
                "Value": encode(value),
                "Index": entry["ModifyIndex"] if entry else 0,
            }
        if entry is None:
            return {"Verb": "check-not-exists", "Key": key}
        return {"Verb": "check-index", "Key": key, "Index": entry["ModifyIndex"]}


class LockCalls(Caller):
    """Locks as Consul's users run them: a session with a time to live, and the key acquired with it."""

    _session: str | None = None

    async def acquire(self, key: str) -> Reply:
        """Take the lock; the token is the key's ModifyIndex, which grows with each holder."""
        if self._session is None:
            self._session = await self.create_session()
        try:
            (entry,) = await self.txn(
                [
                    {
                        "Verb": "lock",
                        "Key": path("lock", key),
                        "Value": encode(self.name),
                        "Session": self._session,
                    }
                ]
            )
        except Refused as error:
            if error.code == "session-invalid" or "session" in error.text:
                self._session = None
                raise Refused(_NO_SESSION, error.text) from error
            if error.code == "conflict":
                raise Refused("held", error.text) from error
            raise
        return self.reply(entry["ModifyIndex"], entry["ModifyIndex"], self._session)

    async def release(self, key: str) -> Reply:
        """Give it back; a session that was lost in between makes it `Refused("not-held")`."""
        if self._session is None:
            raise Refused("not-held", "the session is gone")
        try:
            (entry,) = await self.txn(
                [
                    {
                        "Verb": "unlock",
                        "Key": path("lock", key),
                        "Value": encode(None),
                        "Session": self._session,
                    }
                ]
            )
        except Refused as error:
            raise Refused("not-held", error.text) if error.code == "conflict" else error from error
        return self.reply(None, entry["ModifyIndex"], self._session)

    async def create_session(self) -> str:
        """Create a session that releases its locks when it ends; the lock delay is as the options say."""
        body = {
            "Name": self.name,
            "TTL": f"{self.options.session_ttl_s}s",
            "LockDelay": f"{self.options.lock_delay_s:g}s",
            "Behavior": "release",
        }
        answer = await self.call("PUT", "/v1/session/create", body)
        return str(answer.body["ID"])

    async def renew_session(self, session: str) -> Reply:
        """Renew; `Refused("not-found")` where it is gone."""
        await self.call("PUT", f"/v1/session/renew/{session}")
        return self.reply(None, None, session)

    async def destroy_session(self, session: str) -> Reply:
        """End it, and release what it holds."""
        await self.call("PUT", f"/v1/session/destroy/{session}")
        return self.reply(None, None, session)


class CounterCalls(Caller):
    """Counters: read consistently, then compare-and-set; somebody in between is a `Refused("conflict")`."""

    async def increment(self, key: str, amount: int) -> Reply:
        """Add the amount, once or not at all."""
        answer = await self.call("GET", url_of("counter", key) + "?consistent", missing_is_none=True)
        entry = answer.body[0] if answer.body else None
        index = entry["ModifyIndex"] if entry else 0
        value = encode((decode(entry) or 0) + amount)
        (done,) = await self.txn(
            [{"Verb": "cas", "Key": path("counter", key), "Value": value, "Index": index}]
        )
        return self.reply(None, done["ModifyIndex"])

    async def value(self, key: str) -> Reply:
        """Read in the mode of the options; 0 where nobody added."""
        mode = _MODES[self.options.reads]
        answer = await self.call("GET", url_of("counter", key) + mode, missing_is_none=True)
        entry = answer.body[0] if answer.body else None
        return self.reply(decode(entry) or 0, entry["ModifyIndex"] if entry else None)


class ConsulClient(RegisterCalls, SetCalls, TransactionCalls, LockCalls, CounterCalls):
    """All capabilities over one connection."""
