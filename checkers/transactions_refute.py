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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from quorate.checkers.transactions_orders import before, contradicts
from quorate.checkers.transactions_story import NULL, Mop, Story, TooLargeError, Txn, same
from quorate.harness.history import History
from quorate.harness.history.columns import NONE

JUDGE: Final = "definitions"
# Steps that a circle may have.
_STEPS_MAX: Final = 100_000
_TIME_S: Final = 15.0

_BY_TIME: Final = {"": (), "-process": ("process",), "-realtime": ("process", "realtime")}
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
    """As `refute` for many certificates, with one look at the history; too large is told as a reason.

    Raises `TooLargeError` only if the history itself cannot be read again in time.
    """
    deadline = time.monotonic() + time_s
    keys: dict[Any, Any] = {}
    for certificate in certificates:
        for key in _keys(history, certificate):
            keys.setdefault(same(key), key)
    story = Story(history, model, keys.values(), deadline)
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
    """The keys that matter: those named, and all of a transaction whose outcome is unknown, to see what was seen of it.

    Where no order is said to exist, all keys of the transactions.
    """
    yield certificate["key"]
    yield from (step["key"] for step in certificate["cycle"])
    pair = history.columns.pair
    for index in certificate["transactions"]:
        try:
            call = history.position(index)
        except KeyError:
            continue
        done = None if pair[call] == NONE else history.event(int(pair[call]))
        named = certificate["cycle"] or certificate["kind"] in _DEFINITIONS
        if named and done and done.type != "info":
            continue
        for event in (history.event(call), *([done] if done else [])):
            yield from (mop[1] for mop in event.value or () if isinstance(mop, list) and len(mop) > 1)


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
        proves = _DEFINITIONS.get(self.name)
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
        base = self.name.removesuffix("-process").removesuffix("-realtime")
        if base not in ("cycle", "write-conflict"):
            return f"{self.name} names no circle, and nothing else that can be confirmed"
        suffix = self.name.removeprefix(base)
        txns = [self.story.txns[index] for index in self.indexes]
        refuted = contradicts(
            self.story,
            [txn for txn in txns if self.story.happened(txn)],
            snapshots=base == "write-conflict",
            session=suffix != "",
            real_time=suffix == "-realtime",
            deadline=self.deadline,
        )
        return None if refuted else "some order of these transactions explains what they read of each other"


def sees(story: Story, reader: Txn, mop: Mop, writer: Txn) -> bool:
    """Whether a read saw what only this other transaction wrote."""
    if reader.outcome != "ok" or reader.index == writer.index:
        return False
    owners = (story.writer(mop.key, value) for value in story.contents(mop))
    return any(owner is not None and owner[0].index == writer.index for owner in owners)


def misses(story: Story, reader: Txn, mop: Mop, writer: Txn) -> bool:
    """Whether a read saw a version of its key that a write of this other transaction comes after."""
    own = writer.writes(mop.key)
    if reader.outcome != "ok" or reader.index == writer.index or not own or not story.happened(writer):
        return False
    if story.lists:
        return any(
            mine.value not in mop.value
            and story.writer(mop.key, mine.value) is not None
            and all(
                other.value[: len(mop.value)] == mop.value
                for _, other in story.seen[mop.key]
                if mine.value in other.value
            )
            for mine in own
        )
    if mop.value == NULL:
        return story.untouched(mop.key)
    owner = story.writer(mop.key, mop.value)
    if owner is None or owner[0].index == writer.index:
        return False
    return made_from(writer, mop.key, mop.value)


def made_from(txn: Txn, key: Any, value: Any) -> bool:
    """Whether a transaction read this value first of all that it did to a key, and then wrote the key."""
    touched = [mop for mop in txn.mops if mop.key == key]
    first = touched[0] if txn.outcome == "ok" and touched else None
    return first is not None and first.f == "r" and first.value == value and bool(txn.writes(key))


def overwrites(story: Story, key: Any, one: Txn, other: Txn) -> bool:
    """Whether lists show what the first appended and after it, or not yet, what the second did; none the reverse."""
    if not story.lists or one.index == other.index:
        return False
    pairs = [(a.value, b.value) for a in one.writes(key) for b in other.writes(key)]
    for early, late in pairs:
        if story.writer(key, early) is None or story.writer(key, late) is None:
            continue
        lists = [mop.value for _, mop in story.seen[key]]
        shown = [values for values in lists if early in values]
        against = [values for values in lists if late in values and early not in values[: values.index(late)]]
        if shown and not against:
            return True
    return False


def _garbage(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """It read what nobody wrote."""
    reader = txns[-1]
    values = (value for mop in reader.reads(key) for value in story.contents(mop))
    empty = () if story.lists else (NULL,)
    return reader.outcome == "ok" and any(
        value not in empty and not story.writers.get((key, value)) for value in values
    )


def _twice(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """It read an element twice, which was appended once."""
    return story.lists and any(
        txn.outcome == "ok" and mop.value.count(value) > 1 and story.writer(key, value) is not None
        for txn in txns
        for mop in txn.reads(key)
        for value in set(mop.value)
    )


def _reordered(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """It read an append of a transaction without an earlier one of the same transaction before it."""
    for mop in (mop for txn in txns if txn.outcome == "ok" for mop in txn.reads(key)):
        for place, value in enumerate(mop.value if story.lists else ()):
            owner = story.writer(key, value)
            if owner is None or owner[0].outcome == "fail":
                continue
            earlier = [own.value for own in owner[0].writes(key) if own.at < owner[1].at]
            if any(own not in mop.value[:place] and story.writer(key, own) for own in earlier):
                return True
    return False


def _aborted(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """It read what only a transaction wrote that failed."""
    reader = txns[-1]
    return any(
        sees(story, reader, mop, writer)
        for writer in txns
        if writer.outcome == "fail"
        for mop in reader.reads(key)
    )


def _intermediate(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """It read what another wrote, which that one followed by another write of the key, without that.

    Of a list also where the newest element that is not the reader's own is not the last that its transaction appended.
    """
    reader = txns[-1]
    for mop in reader.reads(key) if reader.outcome == "ok" else ():
        contents = story.contents(mop)
        owners = [story.writer(key, value) for value in contents]
        others = [one for one in owners if one is not None and one[0].index != reader.index]
        for owner, own in others:
            later = [one.value for one in owner.writes(key) if one.at > own.at]
            newest = own.at == others[-1][1].at and owner.index == others[-1][0].index
            if owner.outcome != "fail" and later and (newest or any(one not in contents for one in later)):
                return True
    return False


def _internal(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """A read is not what the transaction's own earlier reads and writes of the key make it."""
    txn = txns[-1]
    known: Any = None
    own: list[Any] = []
    for mop in (mop for mop in txn.mops if mop.key == key and txn.outcome == "ok"):
        if mop.f == "w":
            own.append(mop.value)
            known = known if story.lists else (mop.value,)
            continue
        seen = tuple(story.contents(mop))
        if not story.lists:
            wrong = known is not None and seen != known
        elif known is None:
            wrong = bool(own) and seen[-len(own) :] != tuple(own)
        else:
            wrong = seen != (*known, *own)
        if wrong:
            return True
        known, own = seen, []
    return False


def _future(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """It read what only itself wrote, and only later."""
    txn = txns[-1]
    return txn.outcome == "ok" and any(
        owner is not None and owner[0].index == txn.index and owner[1].at > mop.at
        for mop in txn.reads(key)
        for owner in (story.writer(key, value) for value in story.contents(mop))
    )


def _incompatible(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """Two lists that were read, neither of which is a beginning of the other."""
    lists = [mop.value for txn in txns if txn.outcome == "ok" for mop in txn.reads(key)]
    return story.lists and any(
        one[: len(other)] != other and other[: len(one)] != one for one in lists for other in lists
    )


def _dirty(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """What failed was built upon: a later append stands after it in a list, or a write followed the read of it."""
    failed, later = txns[0], txns[-1]
    if failed.outcome != "fail" or not story.happened(later):
        return False
    for mine in failed.writes(key):
        if story.writer(key, mine.value) is None:
            continue
        if not story.lists:
            reads = [mop for mop in later.reads(key) if mop.value == mine.value]
            if any(own.at > mop.at for mop in reads for own in later.writes(key)):
                return True
            continue
        for _, mop in story.seen[key]:
            after = mop.value[mop.value.index(mine.value) + 1 :] if mine.value in mop.value else ()
            if any(own.value in after and story.writer(key, own.value) for own in later.writes(key)):
                return True
    return False


def _circular(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """Each wrote the key after it had read what the one before wrote, the first what the last did."""
    return not story.lists and all(
        story.happened(txn)
        and any(
            sees(story, txn, mop, previous) and any(own.at > mop.at for own in txn.writes(key))
            for mop in txn.reads(key)
        )
        for previous, txn in zip([txns[-1], *txns[:-1]], txns, strict=True)
    )


def _lost(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """Two read one version and then wrote the key, or one did when another had written in between."""
    firsts = []
    for txn in txns:
        touched = [mop for mop in txn.mops if mop.key == key]
        if txn.outcome == "ok" and touched and touched[0].f == "r" and txn.writes(key):
            firsts.append((txn, touched[0]))
    told = story.lists or all(
        story.untouched(key) if mop.value == NULL else story.writer(key, mop.value) for _, mop in firsts
    )
    values = [mop.value for _, mop in firsts]
    if told and len(set(values)) < len(values):
        return True
    late = txns[-1]
    return (
        story.lists
        and bool(firsts)
        and firsts[-1][0].index == late.index
        and any(
            overwrites(story, key, early, late) and misses(story, late, firsts[-1][1], early)
            for early in txns[:-1]
            if story.happened(early)
        )
    )


_DEFINITIONS: Final[Mapping[str, Callable[[Story, Any, Sequence[Txn]], bool]]] = {
    "garbage-read": _garbage,
    "duplicate-elements": _twice,
    "own-appends-reordered": _reordered,
    "G1a": _aborted,
    "G1b": _intermediate,
    "internal": _internal,
    "future-read": _future,
    "incompatible-order": _incompatible,
    "dirty-update": _dirty,
    "cyclic-versions": _circular,
    "lost-update": _lost,
}
