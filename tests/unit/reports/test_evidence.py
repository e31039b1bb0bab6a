"""What is chosen of a large counterexample, who held a lock, and a cycle as a loop."""

from __future__ import annotations

import json

import pytest
import zstandard

from quorate.harness.core.evidence import Contradiction, Step
from quorate.harness.core.verdict import Anomaly
from quorate.reports import evidence, holds, stored, words
from quorate.reports.html import page


def made(folder, events):
    """A run's folder with just these events: (time in ms, process, type, f, key, value, event of its invocation)."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for index, (ms, process, kind, f, key, value, of) in enumerate(events):
        event = {"index": index, "time": ms * 1_000_000, "process": process, "type": kind, "f": f, "key": key}
        event |= {"value": value, "node": f"n{process}"}
        lines.append(json.dumps(event if of is None else event | {"index_of_invoke": of}))
    packed = zstandard.ZstdCompressor().compress(("\n".join(lines) + "\n").encode())
    (folder / "history.jsonl.zst").write_bytes(packed)
    return stored.read(folder).operations


@pytest.mark.parametrize(("reads", "states"), [(None, []), ({"2": []}, ["[77]"])])
def test_values_too_long_to_be_shown_whole_are_drawn_all_the_same(tmp_path, reads, states):
    """Reports cut long values: what is left is not JSON any more."""
    whole = [n for n in range(3000) if n != 77]
    events = [
        (1, 0, "invoke", "add", "k", 77, None),
        (2, 0, "ok", "add", "k", 77, 0),
        (3, 1, "invoke", "read", "k", None, None),
        (4, 1, "ok", "read", "k", whole, 2),
    ]
    operations = made(tmp_path / "run", events)
    steps = [Step(0, 1, "[77]"), Step(2, text="could only have met [77]")] if states else []
    detail = Contradiction(elements=[77], reads=reads or {}, steps=steps)
    anomaly = Anomaly("lost element", "p1 did not see 77", events=[0, 1, 2, 3], culprit=2, detail=detail)
    rows, _ = evidence.drawn(anomaly, operations)
    assert [row.process for row in rows] == [0, 1]
    assert "read" in rows[1].words
    assert [row.state for row in rows if row.state] == states


def test_of_a_large_counterexample_those_stay_that_the_sentence_names(tmp_path):
    events = []
    for n in range(200):
        events.append((10 * n, n % 3, "invoke", "add", "k", n, None))
        events.append((10 * n + 4, n % 3, "ok", "add", "k", n, 2 * n))
    events += [(3000, 4, "invoke", "read", "k", None, None), (3001, 4, "ok", "read", "k", [1], 400)]
    operations = made(tmp_path / "run", events)
    anomaly = Anomaly(
        "lost element", "p4 read [1] at 3.001 s without 7, which p1 had added at 0.074 s",
        events=list(range(0, 401, 2)), culprit=400,
    )  # fmt: skip
    rows, missing = evidence.drawn(anomaly, operations, 10)
    assert missing == 191
    assert [row.words for row in rows if row.culprit] == ["read k → [1]"]
    assert "add k 7" in [row.words for row in rows]
    assert [row.words for row in rows][-3:-1] == ["add k 198", "add k 199"]
    assert all(row.place is None for row in rows), "states of a part would be made up"


@pytest.mark.parametrize(
    ("release", "kinds"),
    [
        ("ok", ["maybe", "held", "maybe"]),
        ("info", ["maybe", "held", "maybe"]),
        ("fail", ["maybe", "held", "maybe"]),  # certain until the other's grant was answered
        (None, ["maybe", "held"]),
    ],
)
def test_a_holding_is_certain_only_between_its_grant_and_its_release(tmp_path, release, kinds):
    events = [(10, 1, "invoke", "acquire", "k", None, None), (12, 1, "ok", "acquire", "k", 5, 0)]
    if release:
        events += [(20, 1, "invoke", "release", "k", None, None), (23, 1, release, "release", "k", None, 2)]
    start = len(events)
    events += [(14, 2, "invoke", "acquire", "k", None, None), (15, 2, "ok", "acquire", "k", 6, start)]
    events += [(16, 2, "invoke", "release", "k", None, None), (17, 2, "ok", "release", "k", None, start + 2)]
    events.sort(key=lambda event: event[0])
    order = sorted(range(len(events)), key=lambda at: events[at][0])
    assert order == list(range(len(events)))
    for at, event in enumerate(events):
        if event[2] != "invoke":
            invoked = max(
                i
                for i in range(at)
                if events[i][1] == event[1] and events[i][3] == event[3] and events[i][2] == "invoke"
            )
            events[at] = (*event[:6], invoked)
    operations = made(tmp_path / "run", events)
    culprit = next(at for at, event in enumerate(events) if event[1] == 2)
    rows, _ = evidence.drawn(Anomaly("twice", "", events=[0, culprit], culprit=culprit), operations)
    found = holds.around(operations, rows)
    first = [piece for piece in found if piece.process == "p1"]
    assert [piece.kind for piece in first] == kinds
    assert {piece.token for piece in first} == {"5"}
    certain = [piece for piece in first if piece.kind == "held"]
    until = {"fail": 0.015, None: None}.get(release, 0.02)
    assert [(piece.begin_s, piece.end_s) for piece in certain] == [(0.012, until)]
    assert [piece.kind for piece in found if piece.process == "p2"] == ["maybe", "held", "maybe"]


def test_other_operations_hold_nothing(tmp_path):
    operations = made(
        tmp_path / "run", [(1, 1, "invoke", "read", "k", None, None), (2, 1, "ok", "read", "k", 1, 0)]
    )
    rows, _ = evidence.drawn(Anomaly("x", "", events=[0], culprit=0), operations)
    assert holds.around(operations, rows) == []
    assert holds.around(operations, []) == []


def test_a_lock_without_intervals_of_its_checker_has_its_holders_drawn(runs, tmp_path):
    events = [
        (10, 1, "invoke", "acquire", "k", None, None), (12, 1, "ok", "acquire", "k", 5, 0),
        (14, 2, "invoke", "acquire", "k", None, None), (15, 2, "ok", "acquire", "k", 6, 2),
    ]  # fmt: skip
    made(tmp_path / "run", events)
    result = {
        "guarantee": "linearizable", "verdict": "invalid", "model": "fenced-lock",
        "anomalies": [{"name": "no order", "sentence": "p2 too", "events": [0, 1, 2, 3], "culprit": 2, "key": "k"}],
    }  # fmt: skip
    (tmp_path / "run" / "results.json").write_text(json.dumps({"verdict": "invalid", "guarantees": [result]}))
    content = page.render(stored.read(tmp_path / "run"))
    assert content.count("held twice") == 1
    assert "p1 · token 5" in content


def test_only_a_closed_chain_is_a_loop(runs):
    run = stored.read(runs["append"])
    anomaly = run.results.guarantees[0].anomalies[0]
    rows, _ = evidence.drawn(anomaly, run.operations)
    edges, legend = evidence.cycle_of(anomaly, rows)
    loop = evidence.loop_of(anomaly, rows, edges, legend)
    assert [txn.name for txn, _ in loop] == ["T1", "T2", "T3"]
    assert loop[-1][1].target == "T1"
    assert loop[0][0].who.startswith("p")
    assert loop[0][0].steps
    assert evidence.loop_of(anomaly, rows, edges[:2], legend) == []
    assert evidence.loop_of(anomaly, rows, [], {}) == []


def test_long_lists_are_told_by_their_ends_in_sentences_and_operations():
    long = "[" + ",".join(map(str, range(140))) + "]"
    assert words.brief(f"p1 read {long} at 1 s") == "p1 read [0,1,…,137,138,139 (140 in all)] at 1 s"
    assert words.brief("p1 read [1,2,3] at 1 s") == "p1 read [1,2,3] at 1 s"
    assert words.operation("read", "k", "null", long, "ok") == "read k → [0,1,…,137,138,139 (140 in all)]"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed([]) == ""
