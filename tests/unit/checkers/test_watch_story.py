"""Each anomaly of a watch, in words and as a story that can be drawn."""

from __future__ import annotations

import pytest

from quorate.checkers.watches import WatchesAreReliable
from quorate.harness.core.verdict import Limits
from quorate.harness.history import Event, History
from quorate.reports.html.watched import drawing
from quorate.reports.watched import watched_of

SECOND = 10**9
CHANGES = [(2, "a", 1), (3, "b", 2), (4, "a", 3), (5, "b", None), (6, "c", 4)]


def anomalies(*messages, start=2):
    """A watch that was shown these messages `(revision, changes)`, after all `CHANGES` had been made."""
    events = []

    def add(process, kind, f, key, value, version=None):
        at = len(events)
        of = at - 1 if kind == "ok" else None
        events.append(
            Event(at, at * SECOND, process, kind, f, key, value, "n1", version=version, index_of_invoke=of)
        )

    for revision, name, value in CHANGES:
        f = "delete" if value is None else "put"
        add(1, "invoke", f, name, value)
        add(1, "ok", f, name, [value, 0], revision)
    add(9, "invoke", "watch", None, [start, False])
    add(9, "ok", "watch", None, {"from": start, "messages": [[r, [list(c) for c in m]] for r, m in messages]})
    result = WatchesAreReliable().check(History.of(events), Limits())
    assert result.confirmed_by == ("definitions" if result.anomalies else None)
    return result.anomalies


def change(revision):
    return next((name, value, at) for at, name, value in CHANGES if at == revision)


def message(*revisions):
    return max(revisions), [change(revision) for revision in revisions]


WATCH = "the watch of p9 at n1 from revision 2"


@pytest.mark.parametrize(
    ("messages", "name", "text", "bad", "missing"),
    [
        (
            [message(2), message(4), message(5, 6)], "watch not reliable",
            "was shown revision 4 but never b = 2 at revision 3", 4, [3],
        ),
        (
            [message(3), message(4, 5)], "watch not resumable",
            "was shown revision 3 but never a = 1 at revision 2", 3, [2],
        ),
        (
            [message(2, 3), (6, []), message(6)], "watch not bookmarkable",
            "saw that all up to 6 was sent, but a = 3 at revision 4 (and 2 more) was not", 6, [4, 5, 6],
        ),
        (
            [message(2, 3), message(3), message(4)], "watch not unique",
            "was shown the change of b at revision 3 twice", 3, [],
        ),
        (
            [(4, [change(4), change(2)]), message(3)], "watch not ordered",
            "was shown a at revision 2 after revision 4", 2, [],
        ),
        (
            [message(2, 3), (4, [("a", 7, 4)])], "watch shows what was not written",
            "was shown a = 7 at revision 4, but it was 3", 4, [],
        ),
    ],
)  # fmt: skip
def test_each_anomaly_tells_its_story(messages, name, text, bad, missing):
    anomaly = next(one for one in anomalies(*messages) if one.name == name)
    assert anomaly.sentence == f"{WATCH} {text} (11.000 s)"
    story = watched_of(anomaly)
    assert story is not None
    assert story.who == WATCH
    assert [one.revision for one in story.shown if one.bad] == [bad]
    assert [one.revision for one in story.happened if one.missing] == missing
    picture = str(drawing(story, "a watch"))
    assert picture.count("not shown by then" if bad == 6 else "never shown") == len(missing)
    assert picture.count("✗") == 1
    assert "b deleted" in picture or "revision 5" not in picture


def test_a_long_watch_is_told_around_what_is_wrong():
    shown = [message(revision) for revision in (2, 3, 4, 5, 6)] * 20
    story = watched_of(anomalies(*shown)[0])
    assert story is not None
    assert story.more
    assert len(story.shown) <= 11
    assert sum(one.bad for one in story.shown) == 1


def test_what_cannot_be_drawn_is_not():
    assert drawing(None, "nothing") == ""
