"""Finds the entries that a member has in its log and never applied, from the state that it ended with.

A member that restarts applies its log from behind the index that its database names. Where that index was saved ahead
of what the entry does (etcd #13766), the entry is skipped for ever: it is the one that would have made the revision
after the one that the store came back with. So each start names one entry that may have been skipped; which of them
were is decided by replaying the log without them and comparing every key, with its revisions and version, to the
member's state at the end. What is found is therefore proved: the state is exactly what the log gives without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.systems.etcd.operations.entries import Request
from quorate.harness.systems.etcd.operations.replay import Effect, Store
from quorate.harness.systems.values import text, told

# How many entries the search applies in all: about half a minute. A long log gets few tries, a short one enough.
_APPLIED_MAX: Final = 1_000_000
_BEAM: Final = 12
_MOD: Final = 2  # the place of a key's last change in a dump

Contents = Mapping[str, Any]


class Rules(msgspec.Struct, frozen=True):
    """How a member applies: its identity, and whether its release checks the ranges of every transaction."""

    member: int | None
    checks_ranges: bool


class Replayed(msgspec.Struct, frozen=True):
    """The effects of all entries but those that are skipped (None), and the state after them."""

    effects: tuple[Effect | None, ...]
    contents: dict[str, Any]

    def making(self, revision: int) -> int | None:
        """The position of the entry that made the revision."""
        for position, effect in enumerate(self.effects):
            if effect is not None and effect.revision == revision:
                return position
        return None


def replay(
    requests: Sequence[Request], rules: Rules, upto: int | None, skipped: frozenset[int] = frozenset()
) -> Replayed:
    """Apply the entries up to an index (None: all), without those at the positions in `skipped`."""
    store = Store(rules.member, checks_ranges=rules.checks_ranges)
    effects: list[Effect | None] = []
    contents: dict[str, Any] | None = None
    for position, request in enumerate(requests):
        if upto is not None and contents is None and request.index > upto:
            contents = _contents(store)
        effects.append(None if position in skipped else store.apply(request))
    return Replayed(tuple(effects), _contents(store) if contents is None else contents)


def _contents(store: Store) -> dict[str, Any]:
    """The state in the form of a member's dump (`dumping`)."""
    found: dict[str, Any] = {"revision": store.revision}
    for key, cell in store.cells.items():
        found[text(key)] = [told(cell.value), cell.create, cell.mod, cell.version, cell.lease]
    return found


def explain(
    requests: Sequence[Request], rules: Rules, position: int, contents: Contents, revisions: Sequence[int]
) -> tuple[Replayed, Mapping[int, int], bool]:
    """Find what was skipped; return the replay without it, where, and whether that is exactly the state.

    `contents` is the member's state at applied index `position`, `revisions` those that its store came back with at
    each start, in order of time. The second is the start at which it was skipped (a place in `revisions`) by the
    position of the entry.
    """
    whole = replay(requests, rules, position)
    if whole.contents == contents:
        return whole, {}, True
    missing = whole.contents["revision"] - int(contents.get("revision", 0))
    if missing <= 0:
        return whole, {}, False
    beam: list[tuple[Replayed, Mapping[int, int]]] = [(whole, {})]
    left = _APPLIED_MAX // max(1, len(requests))
    for start, revision in enumerate(revisions):
        # What was last changed before this start is as it will stay: what does not fit by now never will.
        beam = [one for one in beam if _fits(one[0].contents, contents, revision)]
        more = []
        for replayed, skipped in beam:
            at = replayed.making(revision + 1)
            if at is None or len(skipped) >= missing or left <= 0:
                continue
            left -= 1
            without = {**skipped, at: start}
            more.append((replay(requests, rules, position, frozenset(without)), without))
        if not beam:
            break
        beam = sorted([*beam, *more], key=lambda one: -_alike(one[0].contents, contents))[:_BEAM]
        if beam[0][0].contents == contents:
            return *beam[0], True
    return whole, {}, False


def _fits(one: Contents, state: Contents, revision: int) -> bool:
    """Whether all keys that both last changed up to the revision are the same in both."""
    for key, value in state.items():
        if isinstance(value, list) and value[_MOD] <= revision:
            found = one.get(key)
            if found is not None and found[_MOD] <= revision and found != value:
                return False
    return True


def _alike(one: Contents, other: Contents) -> int:
    return sum(other.get(key) == value for key, value in one.items())
