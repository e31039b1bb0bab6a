"""Confirm an anomaly of transactions by its definition: the second judge of what the engine calls invalid.

Independent of the engine on purpose, as `checkers.refute` is for objects: it shares no code with what found the
anomaly, and looks at what the transactions themselves read and wrote. A certificate is {"kind", "key", "transactions",
"cycle"}: the anomaly's name, the indexes of the invocations that show it (the reader last), and the steps of the circle
as {"from", "to", "kind", "key"}. Each step is proved by itself:

- `wr`: the second read a value that only the first wrote.
- `rw`: the first read a version that the second came after: it misses the second's append, or it is the beginning, or
  the second had read that very version before it wrote.
- `ww`: a list shows what the first appended, and after it, or not yet, what the second did.
- `process`, `realtime`: the first had returned before the second was invoked.
- `atomic`: a third transaction saw a write of the first, which wrote the step's key too, and read of that key what the
  second wrote. Either the second came later, and the step is `ww`, or the third saw a part of the first: a fractured
  read. The anomaly stands in both orders.

Then the circle must be of the kind that its name says. Names without a circle are confirmed by their definitions, and
those that say that no order exists by trying all of them (`checkers.transactions_orders`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from quorate.checkers.transactions_definitions import DEFINITIONS
from quorate.checkers.transactions_orders import before, contradicts
from quorate.checkers.transactions_proofs import misses, overwrites, sees
from quorate.checkers.transactions_story import Story, TooLargeError, Txn, same
from quorate.checkers.transactions_views import no_view
from quorate.harness.history import History
from quorate.harness.history.columns import NONE

JUDGE: Final = "definitions"
# Steps that a circle may have.
_STEPS_MAX: Final = 100_000
# Events of a history of which all keys are looked at.
_EVENTS_MAX: Final = 2_000
_TIME_S: Final = 15.0

_BY_TIME: Final = {"": (), "-process": ("process",), "-realtime": ("process", "realtime")}
_KEYLESS: Final = frozenset(_BY_TIME["-realtime"])
# Which steps a circle may have beside those of time, and how many `rw` (`apart`: any number, no two in a row).
_CIRCLES: Final[Mapping[str, tuple[frozenset[str], int | str]]] = {
    "G0": (frozenset({"ww"}), 0),
    "G1c": (frozenset({"ww", "wr"}), 0),
    "OTV": (frozenset({"ww", "wr", "atomic"}), 0),
    "fractured-read": (frozenset({"ww", "wr", "atomic"}), 0),
    "G-single": (frozenset({"ww", "wr", "atomic", "rw"}), 1),
    "G-nonadjacent": (frozenset({"ww", "wr", "atomic", "rw"}), "apart"),
    "long-fork": (frozenset({"ww", "wr", "atomic", "rw"}), "apart"),
    "G2-item": (frozenset({"ww", "wr", "atomic", "rw"}), "any"),
    "cycle": (frozenset({"ww", "wr", "atomic", "rw"}), "any"),
}


def refute(
    history: History, model: str, certificate: Mapping[str, Any], time_s: float = _TIME_S
) -> str | None:
    """Return why the certificate does not prove its anomaly, or None where it does.

    `model` is `append` or `rw`. Raises `TooLargeError` where nothing is wrong with it but it cannot be confirmed in the
    time given.
    """
    return refute_all(history, model, [certificate], time_s)[0]


def refute_all(
    history: History, model: str, certificates: Sequence[Mapping[str, Any]], time_s: float = _TIME_S
) -> list[str | None]:
    """As `refute` for many certificates, with one look at the history; too large is reported as a reason.

    Raises `TooLargeError` only if the history itself cannot be read again in time.
    """
    deadline = time.monotonic() + time_s
    keys: dict[Any, Any] = {}
    for certificate in certificates:
        for key in _keys(history, certificate):
            keys.setdefault(same(key), key)
    named = {index for certificate in certificates for index in certificate["transactions"]}
    story = Story(history, model, keys.values(), deadline, named)
    alone = len(certificates) == 1
    found: list[str | None] = []
    for certificate in certificates:
        try:
            found.append(_Case(story, certificate, deadline).wrong())
        except TooLargeError as error:
            if alone:
                raise
            found.append(str(error))
    return found


def _keys(history: History, certificate: Mapping[str, Any]) -> Iterator[Any]:
    """The keys that matter: those named, and all of the transactions of which it matters what others saw.

    Those are the ones whose outcome is unknown and those of which somebody saw a part. Where no order is said to exist,
    all keys of the transactions.
    """
    if not certificate["cycle"]:
        yield certificate["key"]
    if certificate["kind"] == "G-single" and not certificate["cycle"]:
        # Whose view is broken is not said: all keys of a history that is small enough.
        yield from _all_keys(history)
        return
    yield from (step["key"] for step in certificate["cycle"] if step["kind"] not in _KEYLESS)
    partly = {step["from"] for step in certificate["cycle"] if step["kind"] == "atomic"}
    pair = history.columns.pair
    for index in certificate["transactions"]:
        try:
            call = history.position(index)
        except KeyError:
            continue
        done = None if pair[call] == NONE else history.event(int(pair[call]))
        named = certificate["cycle"] or certificate["kind"] in DEFINITIONS
        if named and done and done.type != "info" and index not in partly:
            continue
        for event in (history.event(call), *([done] if done else [])):
            yield from (mop[1] for mop in event.value or () if isinstance(mop, list) and len(mop) > 1)


def _all_keys(history: History) -> Iterator[Any]:
    if len(history) > _EVENTS_MAX:
        return
    for event in history.events():
        ops = event.value if isinstance(event.value, list) else ()
        yield from (mop[1] for mop in ops if isinstance(mop, list) and len(mop) > 1)


class _Case:
    """One certificate before the story of its keys."""

    def __init__(self, story: Story, certificate: Mapping[str, Any], deadline: float) -> None:
        self.story = story
        self.name = str(certificate["kind"])
        self.key = same(certificate["key"])
        self.indexes: Sequence[int] = certificate["transactions"]
        self.cycle: Sequence[Mapping[str, Any]] = certificate["cycle"]
        self.deadline = deadline

    def wrong(self) -> str | None:
        """Why it proves nothing, if so."""
        missing = [index for index in self.indexes if index not in self.story.txns]
        if missing or not self.indexes:
            return f"no transaction on these keys was invoked at event {missing[0] if missing else None}"
        if self.cycle:
            return self._circle()
        proves = DEFINITIONS.get(self.name)
        if proves is None:
            return self._no_order()
        if proves(self.story, self.key, [self.story.txns[index] for index in self.indexes]):
            return None
        return f"what the transactions did to key {self.key} is not {self.name}"

    def _circle(self) -> str | None:
        if len(self.cycle) > _STEPS_MAX:
            msg = f"a circle of {len(self.cycle)} steps"
            raise TooLargeError(msg)
        if any(self.story.txns.get(step[end]) is None for step in self.cycle for end in ("from", "to")):
            return "a step is of a transaction that is not on these keys"
        for step, following in zip(self.cycle, [*self.cycle[1:], self.cycle[0]], strict=True):
            if step["to"] != following["from"] or step["from"] == step["to"]:
                return "the steps are not a circle"
        if self.name in ("OTV", "fractured-read") and len(self.cycle) == 2:  # noqa: PLR2004 - the writer and its reader
            one, other = self.cycle
            if (one["kind"], other["kind"]) == ("wr", "rw"):
                return self._fractured(one, other)
        for step in self.cycle:
            wrong = self._step(step)
            if wrong:
                return wrong
        return self._class()

    def _class(self) -> str | None:
        """Whether the circle is what its name says, or worse."""
        base = self.name.removesuffix("-process").removesuffix("-realtime")
        if base not in _CIRCLES:
            return f"{self.name} is not a circle"
        allowed, limit = _CIRCLES[base]
        kinds = [step["kind"] for step in self.cycle]
        more = set(kinds) - allowed - set(_BY_TIME[self.name.removeprefix(base)])
        if more:
            return f"a circle with {', '.join(sorted(more))} is not {self.name}"
        if limit == "apart":
            fits = all(pair != ("rw", "rw") for pair in zip(kinds, [*kinds[1:], kinds[0]], strict=True))
        else:
            fits = limit == "any" or kinds.count("rw") <= int(limit)
        return None if fits else f"a circle of {', '.join(kinds)} is not {self.name}"

    def _step(self, step: Mapping[str, Any]) -> str | None:
        one, other = self.story.txns[step["from"]], self.story.txns[step["to"]]
        for txn in (one, other):
            if not self.story.happened(txn):
                return f"the transaction at event {txn.index} may not have happened"
        key = same(step["key"])
        match step["kind"]:
            case "wr":
                proved = any(sees(self.story, other, mop, one) for mop in other.reads(key))
            case "rw":
                proved = any(misses(self.story, one, mop, other) for mop in one.reads(key))
            case "ww":
                proved = overwrites(self.story, key, one, other)
            case "atomic":
                proved = self._atomic(key, one, other)
            case "process":
                proved = before(self.story, one, other, session=True, real_time=False)
            case "realtime":
                proved = before(self.story, one, other, session=False, real_time=True)
            case _:
                proved = False
        if proved:
            return None
        return (
            f"nothing shows {step['kind']} from the transaction at event {one.index} to that at {other.index}"
        )

    def _atomic(self, key: Any, one: Txn, other: Txn) -> bool:
        """Somebody saw a part of the first, and of its other key what the second wrote, later for `OTV`."""
        if self.story.lists or not one.writes(key):
            return False
        for reader, mop in self.story.seen[key]:
            if reader.index in (one.index, other.index) or not sees(self.story, reader, mop, other):
                continue
            for saw in reader.mops:
                late = saw.at < mop.at or self.name != "OTV"
                if saw.f == "r" and saw.at != mop.at and late and sees(self.story, reader, saw, one):
                    return True
        return False

    def _fractured(self, saw: Mapping[str, Any], missed: Mapping[str, Any]) -> str | None:
        """One read saw a write of a transaction, another read missed one, and came later for `OTV`."""
        writer, reader = self.story.txns[saw["from"]], self.story.txns[saw["to"]]
        if reader.outcome != "ok" or not self.story.happened(writer):
            return "the writer or the reader may not have happened"
        for one in reader.reads(same(saw["key"])):
            for other in reader.reads(same(missed["key"])):
                ordered = one.at < other.at or (self.name != "OTV" and one.at != other.at)
                if (
                    ordered
                    and sees(self.story, reader, one, writer)
                    and misses(self.story, reader, other, writer)
                ):
                    return None
        return (
            f"nothing shows that the transaction at event {reader.index} saw a part of that at {writer.index}"
        )

    def _no_order(self) -> str | None:
        if self.name == "G-single":
            view = not no_view(self.story, self.deadline)
            return "some order of the versions gives a consistent view" if view else None
        base = self.name.removesuffix("-process").removesuffix("-realtime")
        if base not in ("cycle", "write-conflict"):
            return f"{self.name} names no cycle, and nothing that can be confirmed"
        suffix = self.name.removeprefix(base)
        named = [txn for index in self.indexes if self.story.happened(txn := self.story.txns[index])]
        for txns in (named, self._with_sources(named)):
            if contradicts(
                self.story,
                txns,
                snapshots=base == "write-conflict",
                session=suffix != "",
                real_time=suffix == "-realtime",
                deadline=self.deadline,
            ):
                return None
        return "some order of these transactions explains what they read of each other"

    def _with_sources(self, txns: Sequence[Txn]) -> Sequence[Txn]:
        """The same and those that wrote what they read: an overwritten version orders its readers."""
        found = {txn.index: txn for txn in txns}
        for txn in txns:
            for mop in txn.mops:
                values = mop.value if self.story.lists and mop.f == "r" else (mop.value,)
                for value in values if mop.f == "r" else ():
                    owner = self.story.writer(mop.key, value)
                    if owner is not None and self.story.happened(owner[0]):
                        found.setdefault(owner[0].index, owner[0])
        return [found[index] for index in sorted(found)]
