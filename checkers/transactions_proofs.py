"""What the reads and writes themselves show of two transactions: the single steps of which circles are made.

Part of the second judge of transactions (`checkers.transactions_refute`); shares no code with the engine.
"""

from __future__ import annotations

from typing import Any

from quorate.checkers.transactions_story import NULL, Mop, Story, Txn


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
