"""Anomalies that are not circles, each by its definition (Adya 1999; Kingsbury and Alvaro, "Elle", VLDB 2021).

Part of the second judge of transactions (`checkers.transactions_refute`); shares no code with the engine. Each takes
the story of the keys, the anomaly's key, and the transactions that show it, the reader or the later one last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from quorate.checkers.transactions_proofs import misses, overwrites, sees
from quorate.checkers.transactions_story import NULL, Story, Txn


def _garbage(story: Story, key: Any, txns: Sequence[Txn]) -> bool:
    """It read what was never written."""
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


DEFINITIONS: Final[Mapping[str, Callable[[Story, Any, Sequence[Txn]], bool]]] = {
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
