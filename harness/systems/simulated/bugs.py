"""Bugs that can be switched on, one at a time: what each does, and the workload that shows it.

Most are decided by the leader as it accepts a command, with a small probability, so that they need no fault to come
out; `stale-read` is always on, and `split-brain` waits for a partition that cuts the leader off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Final

import msgspec

from quorate.harness.core.capabilities import (
    Agents,
    Catalogs,
    Counters,
    Elections,
    Leases,
    Locks,
    Names,
    Notices,
    Objects,
    Polls,
    Queues,
    Registers,
    Revisions,
    Sequences,
    Sets,
    Transactions,
    Watches,
)
from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.simulated.commands import READS, SESSION_READS, Command
from quorate.harness.systems.simulated.store import Effect, Store

BUGS: Final = {
    "stale-read": "any replica answers reads from what it has applied so far (register, set, counter)",
    "session-forgotten": "with reads=session, a session is shown less than it saw before (register, set, counter)",
    "lost-write": "one write in 25 is acknowledged and forgotten (register, append, rw, counter)",
    "dirty-read": "one write in 12 is seen by readers for a while, then refused (register, set)",
    "split-brain": "a leader that lost its majority keeps answering (all; needs a partition)",
    "double-apply": "one update in 25 is applied again a little later (register, append, queue, counter)",
    "reorder": "one update in 25 takes effect only after the next one on its key (register, append, set)",
    "phantom": "one read in 25 returns a value that was never written (register, set, counter)",
    "lost-update": "compares and transactions are decided before they are ordered (register, append, rw, counter)",
    "write-skew": "transactions read from a snapshot and only their writes are checked (append, rw)",
    "lost-element": "one element in 25 is acknowledged and forgotten (set, queue)",
    "duplicate-dequeue": "one dequeue in 12 leaves the element in the queue (queue)",
    "half-refused": "a change refused for looking at forgotten history is made by other replicas (revisions)",
    "missed-deletion": "a watch from the compacted revision is not shown a deletion at it (watch)",
    "early-progress": "a watch reports progress before it sent the changes (watch)",
    "wrong-previous": "one change in 25 is shown with its new value as the one before it (watch, kubernetes)",
    "notice-lost": "one notice in 25 is never sent (notices)",
    "notice-twice": "one notice in 25 is sent twice (notices)",
    "notice-late": "one notice in 10 is sent only after an answer that shows the change (notices)",
    "notices-swapped": "notices that are sent together change places (notices)",
    "announcement-lost": "one registration in 25 reaches the catalog and is forgotten by its agent (agents)",
    "wake-up-lost": "one long poll in 4 is not woken and waits to its end (polls)",
    "index-ahead": "one answer in 4 of a long poll has the index of a change that it does not show (polls)",
    "torn-list": "pages of a list after the first show the present (kubernetes)",
    "unguarded": "one change in 12 is made though the object has changed since (kubernetes)",
    "renewals-forgotten": "one lease in 4 is renewed by name only and ends after its first time to live (lease)",
    "lease-leaked": "one lease in 4 that is no longer renewed never ends (lease)",
    "renewed-after-end": "one renewal in 2 of a lease that has ended is acknowledged (lease)",
    "lease-torn": "one lease in 4 that is revoked leaves the keys beside it behind (lease with keys_per_lease)",
    "two-leaders": "one campaign in 2 deposes a leader, whose proclamations succeed in one case in 2 (election)",
    "number-twice": "one number in 25 is the one before it again (ids)",
    "lock-held-twice": "one acquire in 4 of a lock that is held succeeds (lock)",
    "torn-backup": "a backup mixes two moments (register, set, append, rw; needs the fault backup)",
}
_UPDATES: Final = {
    "lost-write": ("lose", 0.04, {"write", "txn", "increment"}),
    "lost-element": ("lose", 0.04, {"add", "enqueue"}),
    "reorder": ("late", 0.04, {"write", "txn", "add"}),
    "duplicate-dequeue": ("keep", 0.08, {"dequeue"}),
    "lease-torn": ("torn", 0.25, {"revoke"}),
    "two-leaders": ("share", 0.5, {"campaign", "proclaim"}),
    "number-twice": ("again", 0.04, {"next_id"}),
    "lock-held-twice": ("share", 0.25, {"acquire"}),
    "unguarded": ("unguarded", 0.08, {"replace"}),
}
_AGAIN: Final = {"write", "txn", "enqueue", "increment"}
_LATER: Final = {"lose", "late"}  # twists that leave the answer as it is and the changes out
# Which commands each bug acts on, beside those of `_UPDATES`; `split-brain` acts on all of them.
_ACTS_ON: Final = {
    "stale-read": set(READS) - {"renew"},
    "session-forgotten": set(SESSION_READS),
    "dirty-read": {"write", "add"},
    "double-apply": _AGAIN,
    "phantom": {"read", "members", "value", "current", "leader"},
    "lost-update": {"cas", "txn", "increment"},
    "write-skew": {"txn"},
    "half-refused": {"change"},
    "missed-deletion": {"watch"},
    "early-progress": {"watch"},
    "wrong-previous": {"watch"},
    "notice-lost": {"notice"},
    "notice-twice": {"notice"},
    "notice-late": {"notice"},
    "notices-swapped": {"notice"},
    "announcement-lost": {"announce"},
    "wake-up-lost": {"poll"},
    "index-ahead": {"poll"},
    "torn-list": {"listing"},
    "renewals-forgotten": {"grant"},
    "lease-leaked": {"grant"},
    "renewed-after-end": {"renew"},
    "torn-backup": {"write", "cas", "add", "txn"},
}
# What a client that uses a capability makes the servers do.
_COMMANDS: Final[Mapping[type, frozenset[str]]] = {
    Registers: frozenset({"read", "write", "cas"}),
    Sets: frozenset({"add", "members"}),
    Transactions: frozenset({"txn"}),
    Queues: frozenset({"enqueue", "dequeue"}),
    Locks: frozenset({"acquire", "release"}),
    Counters: frozenset({"increment", "value"}),
    Revisions: frozenset({"current", "change", "forget"}),
    Watches: frozenset({"change", "watch"}),
    Names: frozenset({"set_name"}),
    Notices: frozenset({"set_name", "notice"}),
    Polls: frozenset({"names", "poll"}),
    Catalogs: frozenset({"write", "read"}),
    Agents: frozenset({"announce", "write", "read"}),
    Objects: frozenset({"replace", "listing"}),
    Leases: frozenset({"grant", "renew", "revoke", "granted"}),
    Elections: frozenset({"campaign", "proclaim", "resign", "leader"}),
    Sequences: frozenset({"next_id"}),
}
_PHANTOM_SHARE: Final = 0.04
_ABORTED_SHARE: Final = 0.08
_AGAIN_SHARE: Final = 0.04


def acts_on(bug: str, capabilities: Iterable[type]) -> bool:
    """Return whether the bug can come out where clients use these capabilities; True for a capability not known."""
    if bug == "split-brain":
        return True
    touched = _UPDATES[bug][2] if bug in _UPDATES else _ACTS_ON[bug]
    return any(need not in _COMMANDS or touched & _COMMANDS[need] for need in capabilities)


class Bugs:
    """The bug that is switched on, if any, and the randomness it decides with.

    `acted` is called each time the bug makes a server do otherwise than a correct one would.
    """

    def __init__(self, name: str | None, rng: Random, acted: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self._rng = rng
        self._acted = acted

    def twist(self, command: Command, store: Store) -> Command:
        """Return the command as a leader with this bug puts it into its log."""
        if self.name in _UPDATES:
            twist, share, functions = _UPDATES[self.name]
            if command.f in functions and self._rng.random() < share:
                twisted = msgspec.structs.replace(command, twist=twist)
                before = store.effect(0, command)
                if before.changes if twist in _LATER else _differ(before, store.effect(0, twisted)):
                    self._acted()
                return twisted
        if self.name == "lost-update" and command.f in {"cas", "txn", "increment"}:
            return msgspec.structs.replace(command, prepared=_decided_now(command, store))
        if self.name == "write-skew" and command.f == "txn":
            return msgspec.structs.replace(command, prepared=_snapshot(command, store))
        return command

    def applies(self, command: Command, store: Store) -> None:
        """Count a command that was decided before it was ordered and would have another effect by now."""
        if command.prepared is not None and _differ(command.prepared(store), store.effect(0, command)):
            self._acted()

    def elsewhere(self, command: Command, store: Store) -> Command:
        """Return the command as a replica applies it that did not itself accept it."""
        if self.name == "half-refused" and command.f == "change":
            changes, past = command.argument
            if past is not None and past < store.past.compacted:
                self._acted()
            return msgspec.structs.replace(command, argument=(changes, None))
        return command

    def strikes(self, name: str, share: float = 1.0) -> bool:
        """Whether this is the bug, and it shows itself now; a certain share draws nothing."""
        return self.name == name and self._counted(share >= 1 or self._rng.random() < share)

    def count(self) -> None:
        """Count an act that was decided elsewhere."""
        self._acted()

    def _counted(self, hit: bool) -> bool:  # noqa: FBT001 - the condition itself
        if hit:
            self._acted()
        return hit

    def again_after_s(self, command: Command) -> float | None:
        """Return when the leader proposes the command a second time, or None."""
        if self.name == "double-apply" and command.f in _AGAIN and self._rng.random() < _AGAIN_SHARE:
            self._acted()
            return self._rng.uniform(0.005, 0.1)
        return None

    def aborts(self, command: Command) -> bool:
        """Whether the write is shown to readers for a while and then refused."""
        return (
            self.name == "dirty-read"
            and command.f in {"write", "add"}
            and self._counted(self._rng.random() < _ABORTED_SHARE)
        )

    def ask(self, command: Command) -> Command:
        """Return the reading command as a server with this bug understands it."""
        if self.name == "torn-list" and command.f == "listing" and command.argument[1]:
            self._acted()
            return msgspec.structs.replace(command, twist="torn")
        return command

    def answer(self, reply: Reply) -> Reply:
        """Return what a reader sees."""
        if self.name != "phantom" or self._rng.random() >= _PHANTOM_SHARE:
            return reply
        self._acted()
        ghost = 1_000_000_000 + self._rng.randrange(1_000_000)
        value = [*reply.value, ghost] if isinstance(reply.value, list) else ghost
        return msgspec.structs.replace(reply, value=value)


def _differ(one: Effect, other: Effect) -> bool:
    """Whether clients or the state could distinguish the two; versions do not count."""

    def seen(effect: Effect) -> tuple[object, ...]:
        outcome = effect.outcome
        return type(outcome), getattr(outcome, "value", None), effect.changes

    return seen(one) != seen(other)


def _decided_now(command: Command, store: Store) -> Callable[[Store], Effect]:
    """Fix the effect on the state as the leader sees it now; it is applied whatever comes between."""
    effect = store.effect(0, command)
    return lambda _store: effect


def _snapshot(command: Command, store: Store) -> Callable[[Store], Effect]:
    """Read as of now (snapshot isolation); later check only that the keys to be written did not change."""
    effect = store.effect(0, command)
    written = {key for f, key, _ in command.argument if f != "r"}
    versions = {key: store.cell("txn", key).version for key in written}

    def commit(now: Store) -> Effect:
        if any(now.cell("txn", key).version != version for key, version in versions.items()):
            return Effect(
                Refused("conflict", "a key was written since the transaction began", answer=ANSWERED)
            )
        return effect

    return commit
