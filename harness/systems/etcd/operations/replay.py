"""Applies the entries of a log as a member of etcd does, to know which revision each makes and which it refuses.

The rules are those of server/etcdserver/apply: a request is refused as a whole before anything of it is done; a
transaction evaluates its compares first, and then makes one revision if it changes anything; a lease that ends deletes
its keys in one revision. Before 3.7, a member drops the ranges of a transaction that it did not receive from a client
itself (`removeNeedlessRangeReqs`): where such a range is at a revision that is compacted, the member that received the
transaction refuses it and all others make it (etcd #18667).

What the log does not decide is not `sure`: permissions once authentication is on, and the quota once an alarm is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.systems.etcd.operations.entries import Request, operation
from quorate.harness.systems.etcd.protocol import pb

_MEMBER_MASK: Final = 0xFFFF
_TARGETS: Final = ("version", "create", "mod", "value", "lease")
_WANTED: Final = ("version", "create_revision", "mod_revision", "value", "lease")


class Cell(msgspec.Struct, frozen=True, gc=False):
    """A key as a member holds it: value, the revisions of its creation and of its last change, version and lease."""

    value: bytes
    create: int
    mod: int
    version: int
    lease: int


_NONE: Final = Cell(b"", 0, 0, 0, 0)


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What applying an entry did: `revision` is None where nothing changed, `refused` why.

    `asks` are the changes that it asks for, as (key, value or None for a deletion).
    """

    revision: int | None = None
    refused: str = ""
    sure: bool = True
    asks: tuple[tuple[bytes, bytes | None], ...] = ()


class _RefusedError(Exception):
    """The request is refused as a whole; `sure` as in `Effect`."""

    def __init__(self, why: str, *, by_range: bool = False) -> None:
        super().__init__(why)
        self.by_range = by_range


class Store:
    """The state of one member.

    `member` is its identity; `checks_ranges` whether every member checks the ranges of every transaction (3.7 on).
    """

    def __init__(self, member: int | None, *, checks_ranges: bool) -> None:
        self.cells: dict[bytes, Cell] = {}
        self.revision = 1
        self.compacted = -1
        self._leases: dict[int, set[bytes]] = {}
        self._sure = True
        self._own = None if member is None else member & _MEMBER_MASK
        self._checks_ranges = checks_ranges
        self._pending: list[tuple[bytes, bytes | None]] = []
        self._two_ways = False

    def apply(self, request: Request) -> Effect:
        """Apply one entry."""
        self._pending, self._two_ways = [], False
        sure = self._sure
        try:
            changes = self._changes(request)
        except _RefusedError as error:
            certain = sure and (not error.by_range or self._checks_ranges)
            return Effect(None, str(error), sure=certain, asks=tuple(self._pending))
        revision = self._commit(changes) if changes else None
        asks = tuple((key, None if put is None else put.value) for key, put in changes)
        return Effect(revision, sure=sure and not self._two_ways, asks=asks)

    def _changes(self, request: Request) -> list[tuple[bytes, Any]]:
        """Each change as (key, a put or None); raises `_RefusedError`."""
        body = request.body
        match request.what:
            case "put":
                self._check_put(body)
                return [(body.key, body)]
            case "delete_range":
                return [(key, None) for key in self._keys(body)]
            case "txn":
                return self._transaction(request)
            case "lease_revoke":
                return [(key, None) for key in sorted(self._leases.pop(body.ID, set()))]
            case "lease_grant":
                self._leases.setdefault(body.ID, set())
            case "compaction":
                self._compact(body.revision)
            case "alarm" | "auth_enable":
                # From now on the member's configuration decides, too; asking for alarms that are up raises none.
                raises = request.what == "auth_enable" or body.action == pb.AlarmRequest.ACTIVATE
                self._sure = self._sure and not raises
            case _:
                pass
        return []

    def _compact(self, revision: int) -> None:
        if revision <= self.compacted:
            raise _RefusedError(f"revision {revision} is compacted already")
        if revision > self.revision:
            raise _RefusedError(f"revision {revision} is in the future")
        self.compacted = revision

    def _check_put(self, body: Any) -> None:
        if (body.ignore_value or body.ignore_lease) and body.key not in self.cells:
            raise _RefusedError("the key does not exist")
        if body.lease and body.lease not in self._leases:
            raise _RefusedError(f"lease {body.lease:x} does not exist")

    def _transaction(self, request: Request) -> list[tuple[bytes, Any]]:
        chosen = list(self._chosen(request.body))
        self._pending = [
            (body.key, body.value if what == "put" else None) for what, body in chosen if what != "range"
        ]
        for what, body in chosen:
            if what == "put":
                self._check_put(body)
        ranges = [body.revision for what, body in chosen if what == "range" and body.revision]
        why = next(filter(None, map(self._unreadable, ranges)), "")
        if why and (self._checks_ranges or request.proposer == self._own):
            raise _RefusedError(why, by_range=True)
        self._two_ways = bool(why)
        changes: list[tuple[bytes, Any]] = []
        for what, body in chosen:
            if what == "put":
                changes.append((body.key, body))
            elif what == "delete_range":
                changes += [(key, None) for key in self._keys(body)]
        return changes

    def _unreadable(self, revision: int) -> str:
        """Why nothing can be read at the revision; empty where it can."""
        if revision > self.revision:
            return f"its read at revision {revision} is in the future"
        if revision < self.compacted:
            return f"its read at revision {revision} is below the compacted revision {self.compacted}"
        return ""

    def _chosen(self, body: Any) -> Iterator[tuple[str, Any]]:
        """Yield the operations of the branch that the compares choose, those of nested transactions in their place."""
        for each in body.success if self._holds(body) else body.failure:
            what, inner = operation(each)
            if what == "txn":
                yield from self._chosen(inner)
            else:
                yield what, inner

    def _holds(self, body: Any) -> bool:
        return all(self._compares(compare) for compare in body.compare)

    def _compares(self, compare: Any) -> bool:
        target = compare.target
        wanted = getattr(compare, _WANTED[target])
        if not compare.range_end:
            return self._is(self.cells.get(compare.key), target, compare.result, wanted)
        greater = compare.result == pb.Compare.GREATER
        if greater and wanted == 0 and target in {pb.Compare.VERSION, pb.Compare.CREATE, pb.Compare.MOD}:
            # True of every key that exists, and the costliest to try on each.
            return not self._is_empty(compare) or self._is(None, target, compare.result, wanted)
        keys = self._keys(compare)
        if not keys:
            return self._is(None, target, compare.result, wanted)
        return all(self._is(self.cells[key], target, compare.result, wanted) for key in keys)

    def _is_empty(self, body: Any) -> bool:
        return not any(_within(key, body.key, body.range_end) for key in self.cells)

    @staticmethod
    def _is(cell: Cell | None, target: int, result: int, wanted: Any) -> bool:
        """Whether one key compares; one that does not exist has no value to compare, and zeros for the rest."""
        if cell is None and target == pb.Compare.VALUE:
            return False
        found = getattr(cell or _NONE, _TARGETS[target])
        match result:
            case pb.Compare.EQUAL:
                return bool(found == wanted)
            case pb.Compare.NOT_EQUAL:
                return bool(found != wanted)
            case pb.Compare.GREATER:
                return bool(found > wanted)
            case _:
                return bool(found < wanted)

    def _keys(self, body: Any) -> list[bytes]:
        """The keys that exist in the range of a request, sorted."""
        if not body.range_end:
            return [body.key] if body.key in self.cells else []
        return sorted(key for key in self.cells if _within(key, body.key, body.range_end))

    def _commit(self, changes: Sequence[tuple[bytes, Any]]) -> int:
        self.revision += 1
        for key, put in changes:
            old = self.cells.get(key)
            if put is None:
                if old is not None:
                    self._leases.get(old.lease, set()).discard(key)
                    del self.cells[key]
                continue
            value = old.value if old is not None and put.ignore_value else put.value
            lease = old.lease if old is not None and put.ignore_lease else put.lease
            if old is not None and old.lease != lease:
                self._leases.get(old.lease, set()).discard(key)
            if lease:
                self._leases.setdefault(lease, set()).add(key)
            create, version = (self.revision, 1) if old is None else (old.create, old.version + 1)
            self.cells[key] = Cell(value, create, self.revision, version, lease)
        return self.revision


def _within(key: bytes, start: bytes, end: bytes) -> bool:
    return key >= start and (end == b"\0" or key < end)
