"""Definitions of anomalies of watches and lists: what they showed, against what replies say of each revision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from quorate.checkers.replies_record import Case, Record, Reply

_WATCHES: Final = ("watch", "follow")


class Shown(NamedTuple):
    """A change that a reply shows."""

    revision: int
    name: str
    value: Any


# A message: the revision that it carries, and its changes (none: progress, all up to the revision was sent).
Message = tuple[int, Sequence[Shown]]


def _messages(record: Record, last: Reply) -> list[Message]:
    """All that a watch had sent when this reply came: `follow` continues what the same client had followed before."""
    chain = [last]
    if last.call.f == "follow":
        earlier = [
            reply
            for reply in record.replies
            if reply.call.f == "follow"
            and reply.call.process == last.call.process
            and reply.end.index < last.end.index
        ]
        for reply in reversed(earlier):
            if not reply.ok or reply.end.value["from"] != last.end.value["from"]:
                break
            chain.insert(0, reply)
    return [
        (revision, [Shown(at, name, value) for name, value, at, *_ in changes])
        for reply in chain
        for revision, changes in reply.end.value["messages"]
    ]


def _tells(reply: Reply) -> Iterator[Shown]:
    """The changes that a reply shows, whatever it is an answer to."""
    call, end = reply.call, reply.end
    if end.type == "ok" and call.f in _WATCHES:
        for _, changes in end.value["messages"]:
            yield from (Shown(at, name, value) for name, value, at, *_ in changes)
    elif end.type == "ok" and call.f == "list":
        yield from (Shown(at, name, value) for name, value, at in end.value["objects"])
    elif end.type == "ok" and call.f == "change" and end.version is not None:
        yield from (Shown(end.version, name, call.value[name]) for name in end.value)
    elif end.type == "ok" and call.f in ("put", "delete") and end.version is not None:
        yield Shown(end.version, end.key, end.value[0])
    elif end.type == "fail" and call.f in ("put", "delete") and end.error and end.error[0] == "conflict":
        value, revision = end.value
        if revision:
            yield Shown(revision, end.key, value)


def _watches(record: Record, case: Case) -> Iterator[tuple[Reply, list[Message]]]:
    for reply in case.replies:
        if reply.ok and reply.call.f in _WATCHES:
            yield reply, _messages(record, reply)


def _twice(record: Record, case: Case) -> bool:
    """One change was shown twice."""
    for _, messages in _watches(record, case):
        shown = [(one.revision, one.name) for _, changes in messages for one in changes]
        if len(set(shown)) < len(shown):
            return True
    return False


def _unordered(record: Record, case: Case) -> bool:
    """A change was shown after one of a later revision, or of a revision before the watch's start."""
    for reply, messages in _watches(record, case):
        highest = int(reply.end.value["from"]) - 1
        for _, changes in messages:
            for one in changes:
                if one.revision < highest:
                    return True
                highest = max(highest, one.revision)
    return False


def _torn(record: Record, case: Case) -> bool:
    """The changes of one revision came in two messages."""
    for _, messages in _watches(record, case):
        told: defaultdict[int, set[int]] = defaultdict(set)
        for at, (_, changes) in enumerate(messages):
            for one in changes:
                told[one.revision].add(at)
        if any(len(places) > 1 for places in told.values()):
            return True
    return False


def _lost(record: Record, case: Case) -> bool:
    """A change that happened was not shown, though later ones were, or all up to it was said to have been sent."""
    happened = {(one.revision, one.name) for reply in record.replies for one in _tells(reply)}
    for reply, messages in _watches(record, case):
        start, seen = int(reply.end.value["from"]), set[tuple[int, str]]()
        for revision, changes in messages:
            seen |= {(one.revision, one.name) for one in changes}
            # The last revision itself may still be under way, but for what was said to be complete.
            end = max((one.revision for one in changes), default=revision + 1)
            if any(start <= at < end and (at, name) not in seen for at, name in happened):
                return True
    return False


def _progress(record: Record, case: Case) -> bool:
    """It was said that all up to a revision had been sent, and it had not, or less was said afterwards."""
    for _, messages in _watches(record, case):
        said = 0
        for revision, changes in messages:
            if any(one.revision <= said for one in changes) or (not changes and revision < said):
                return True
            said = said if changes else max(said, revision)
    return _lost(record, case)


def _not_written(record: Record, case: Case) -> bool:
    """A watch showed another value than another reply did at the same revision of the same name."""
    told: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for reply in record.replies:
        for one in _tells(reply):
            told[one.revision, one.name].append(one.value)
    mine = [one for reply, _ in _watches(record, case) for one in _tells(reply)]
    return any(value != one.value for one in mine for value in told[one.revision, one.name])


def _two_changes(record: Record, case: Case) -> bool:
    """Two replies show two changes at one revision."""
    del record
    told = [{one.revision: one for one in _tells(reply)} for reply in case.replies]
    return any(
        one[revision] != other[revision]
        for at, one in enumerate(told)
        for other in told[:at]
        for revision in one.keys() & other.keys()
    )


def _by_nobody(record: Record, case: Case) -> bool:
    """A reply shows a value that no client had asked to put under that name by then."""
    first: dict[tuple[Any, Any], int] = {}
    for call in record.calls:
        if call.f == "put":
            first.setdefault((call.key, call.value), call.time)
    return any(
        one.value is not None and first.get((one.name, one.value), reply.end.time + 1) > reply.end.time
        for reply in case.replies
        for one in _tells(reply)
    )


def _made_twice(record: Record, case: Case) -> bool:
    """One value, which was asked for once, became two changes."""
    for one, other in ((one, other) for one in case.replies for other in case.replies):
        for first in _tells(one):
            for second in _tells(other):
                if (
                    first.value is not None
                    and first.value == second.value
                    and first.revision < second.revision
                ):
                    asked = sum(call.f == "put" and call.value == first.value for call in record.calls)
                    if asked <= 1:
                        return True
    return False


def _refused(record: Record, case: Case) -> bool:
    """A change that was refused was made."""
    told = {one.value for reply in record.replies for one in _tells(reply) if one.value is not None}
    return any(
        reply.end.type == "fail" and reply.call.f == "put" and reply.call.value in told
        for reply in case.replies
    )


def _snapshot(record: Record, case: Case) -> bool:
    """A reply shows an object otherwise than as the last change of it that its revision holds."""
    told = [one for reply in case.replies for one in _tells(reply)]
    for reply in case.replies:
        for at, name, revision in _sights(reply, told):
            for one in told:
                if one.name != name or one.revision > at:
                    continue
                if 0 < revision < one.revision or (revision == one.revision and one.value is None):
                    return True
                if not revision and one.value is not None and not _deletable(record, one, at, reply):
                    return True
    return False


def _sights(reply: Reply, told: Sequence[Shown]) -> Iterator[tuple[int, str, int]]:
    """What a reply shows of objects: of which revision it speaks, the name, and the object's own (0: not there)."""
    call, end = reply.call, reply.end
    if reply.ok and call.f == "list":
        shown = {name: revision for name, _, revision in end.value["objects"]}
        yield from (
            (end.value["at"], name, shown.get(name, 0)) for name in {*shown, *(one.name for one in told)}
        )
    elif end.type == "fail" and end.version is not None and isinstance(end.value, list):
        yield end.version, end.key, end.value[1]
    elif reply.ok and call.f in ("put", "delete") and end.version is not None:
        yield end.version - 1, end.key, end.value[1]


def _deletable(record: Record, put: Shown, at: int, seen: Reply) -> bool:
    """Whether a deletion asked for before the answer can have taken away what was put, up to the revision."""
    ends = {reply.call.index: reply.end for reply in record.replies}
    for call in record.calls:
        if call.f == "delete" and call.key == put.name and call.time <= seen.end.time:
            end = ends.get(call.index)
            if end is None or end.type == "info" or (end.type == "ok" and end.version is None):
                return True
            if end.type == "ok" and end.version is not None and put.revision < end.version <= at:
                return True
    told = (one for reply in record.replies for one in _tells(reply))
    return any(
        one.name == put.name and one.value is None and put.revision < one.revision <= at for one in told
    )


def _in_the_past(record: Record, case: Case) -> bool:
    """A change has a revision that the service had come to before anybody asked for the change."""
    for call in case.calls:
        if call.f != "put":
            continue
        made = [
            one.revision
            for reply in case.replies
            for one in _tells(reply)
            if one.value == call.value is not None
        ]
        for reply in record.replies:
            at = reply.end.value["at"] if reply.ok and reply.call.f == "list" else reply.end.version or 0
            if reply.end.time < call.time and any(revision <= at for revision in made):
                return True
    return False


def _future(record: Record, case: Case) -> bool:
    """A list shows an object of a later revision than its own."""
    del record
    return any(
        revision > reply.end.value["at"]
        for reply in case.replies
        if reply.ok and reply.call.f == "list"
        for _, _, revision in reply.end.value["objects"]
    )


def _names_unordered(record: Record, case: Case) -> bool:
    """A list shows its names out of order, or one twice."""
    del record
    for reply in case.replies:
        if reply.ok and reply.call.f == "list":
            names = [name for name, _, _ in reply.end.value["objects"]]
            if names != sorted(set(names)):
                return True
    return False


def _guard(record: Record, case: Case) -> bool:
    """A guarded change was made, and another change of the object lies between."""
    del record
    told = [one for reply in case.replies for one in _tells(reply)]
    for reply in case.replies:
        if reply.ok and reply.call.f in ("put", "delete") and reply.end.version is not None:
            guard = reply.end.value[1]
            if guard and any(
                one.name == reply.end.key and guard < one.revision < reply.end.version for one in told
            ):
                return True
    return False


DEFINITIONS: Final[Mapping[str, Callable[[Record, Case], bool]]] = {
    "watch not unique": _twice,
    "watch not ordered": _unordered,
    "watch not atomic": _torn,
    "watch not reliable": _lost,
    "watch not resumable": _lost,
    "watch not bookmarkable": _progress,
    "watch shows what was not written": _not_written,
    "one revision, two changes": _two_changes,
    "made by nobody": _by_nobody,
    "made twice": _made_twice,
    "refused and made": _refused,
    "made in the past": _in_the_past,
    "list is no snapshot": _snapshot,
    "refusal is no snapshot": _snapshot,
    "list shows what was deleted": _snapshot,
    "list shows its future": _future,
    "list out of order": _names_unordered,
    "guard not kept": _guard,
}
