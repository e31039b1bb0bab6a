"""A lock that many processes may hold to read, or one to write, as Curator and kazoo build it on ZooKeeper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from quorate.checkers.explain import Named, Rest, Told
from quorate.checkers.models.model import Model, Operation, State

# Who writes (None: no process), and who reads.
_FREE: Final = (None, frozenset[Any]())


def _step(state: tuple[Any, frozenset[Any]], one: Operation) -> Iterator[State]:
    writer, readers = state
    match one.f:
        case "acquire-read":
            if writer is None and one.process not in readers:
                yield None, readers | {one.process}
        case "acquire-write":
            if writer is None and not readers:
                yield one.process, readers
        case "release":
            if writer == one.process:
                yield None, readers
            elif one.process in readers:
                yield None, readers - {one.process}
        case _:
            raise LookupError(one.f)


def _words(state: tuple[Any, frozenset[Any]]) -> str:
    writer, readers = state
    if writer is not None:
        return f"p{writer} writes"
    return " and ".join(f"p{one}" for one in sorted(readers, key=str)) + " read" if readers else "free"


def _did(one: Told) -> str:
    verb = {"acquire-read": "took the read lock", "acquire-write": "took the write lock"}.get(
        one.f, "released"
    )
    return f"{one.who} {verb} {one.when}"


def _sentence(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:
    del rest
    acquired = [one for one in others if one.f != "release" and one.kind == "ok"]
    start = _did(bad)
    if bad.f == "release":
        own = any(one.process == bad.process for one in acquired)
        return None if own else ("release without hold", f"{start}, but held neither lock")
    barred = [one for one in acquired if one.process != bad.process and "acquire-write" in (one.f, bad.f)]
    if not barred:
        return None
    one = max(barred, key=lambda one: one.called)
    name = "two writers" if one.f == bad.f else "reader beside a writer"
    return name, f"{start}, but {_did(one)} and had not released it"


RW_LOCK: Final = Model(
    "rw-lock",
    "a lock held by many readers or one writer: acquire-read, acquire-write, release",
    frozenset({"acquire-read", "acquire-write", "release"}),
    _step,
    _sentence,
    initial=_FREE,
    words=_words,
)
