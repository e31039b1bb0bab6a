"""A list that is wrong, as a drawing needs it: the row beside its neighbours, and what happened to that object.

Of the object's changes `shown` is the one that the list shows, `due` the last one up to its revision, which it should
show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from quorate.checkers.changes import Known
from quorate.harness.core.evidence import Change, ListStory, Row

_NEIGHBOURS: Final = 2
_CHANGES: Final = 3


def story(who: str, at: int, objects: Sequence[Sequence[Any]], name: str, known: Known) -> ListStory:
    """Say what became of the object `name` in a list at revision `at`; O(rows)."""
    ordered = sorted(objects, key=lambda row: str(row[0]))
    before = [row for row in ordered if str(row[0]) < name][-_NEIGHBOURS:]
    after = [row for row in ordered if str(row[0]) > name][:_NEIGHBOURS]
    own = [row for row in ordered if row[0] == name]
    shown = own[0][2] if own else 0
    rows = [Row(one, value, revision, bad=one == name) for one, value, revision in [*before, *own, *after]]
    if not own:
        rows.insert(len(before), Row(name, bad=True))
    due = known.latest(name, at)
    return ListStory(
        who=who,
        at=at,
        name=name,
        missing=not own,
        more=len(ordered) - len(before) - len(after) - len(own),
        rows=rows,
        changes=[
            Change(
                revision=revision,
                value=None if change is None else change.value,
                shown=revision == shown,
                due=due is not None and revision == due.revision,
            )
            for revision in _around(known.revisions.get(name, []), at, shown)
            for change in [known.latest(name, revision)]
        ],
    )


def _around(revisions: Sequence[int], at: int, shown: int) -> list[int]:
    """The revisions of an object near the list's own, and the one that it shows."""
    upto = [one for one in revisions if one <= at][-_CHANGES:]
    later = [one for one in revisions if one > at][:_CHANGES]
    return sorted({*upto, *later, *([shown] if shown else [])})
