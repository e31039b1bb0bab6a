"""Events through every form and back: files, columns, frames, operations."""

import json
import tempfile
from decimal import Decimal
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.harness.history import Event, History, Journal

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('ab:\\"é\n', max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.sampled_from(["read", "write", "cas", "txn", "my op", "", "é"])
texts = st.text('abc-"\\ \n😀', max_size=6)


@st.composite
def histories(draw, value=values, others=("nemesis",)):
    """Well-formed events: each process does one operation at a time, some never complete."""
    open_by = {}
    events, time = [], 0
    for index in range(draw(st.integers(0, 14))):
        time += draw(st.integers(0, 10**9))
        process = draw(st.sampled_from([0, 1, 2, 70_000_000_000, *others]))
        begun = open_by.pop(process, None)
        node = draw(st.none() | texts)
        if begun is None:
            event = Event(index, time, process, "invoke", draw(names), draw(value), draw(value), node)
            open_by[process] = event
        else:
            kind = draw(st.sampled_from(["ok", "fail", "info"]))
            error = draw(st.none() | st.lists(texts, min_size=2, max_size=2))
            # Files of others complete a write from its answer, so answers that differ do not come back as they were.
            answers = st.sampled_from([None, begun.value]) if begun.f == "write" else value
            answers = st.none() if begun.f == "cas" else answers
            session, version = draw(st.none() | texts), draw(st.none() | st.integers(-(2**63) + 1, 2**63 - 1))
            event = Event(
                index,
                time,
                process,
                kind,
                begun.f,
                begun.key,
                draw(answers),
                node,
                session,
                version,
                error,
                begun.index,
            )
        events.append(event)
    return events


def whole(value):
    """1.0 and 1 are one number, and come back as the integer that a float's decimal text shows."""
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return int(Decimal(repr(value))) if isinstance(value, float) and value.is_integer() else value


def exact(value):
    """A text that distinguishes 1, 1.0 and True, but not the order of an object's fields."""
    return json.dumps(whole(msgspec.to_builtins(value)), sort_keys=True)


def same(found, expected):
    assert [exact(event) for event in found] == [exact(event) for event in expected]


@settings(max_examples=50, deadline=None)
@given(histories())
def test_events_survive_columns_files_and_formats(events):
    history = History.of(events)
    same(history.events(), events)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.jsonl", "a.jsonl.zst", "a.jsonl.gz", "a.edn", "a.edn.zst"):
            path = Path(folder) / name
            history.write(path, "edn" if "edn" in name else "jsonl")
            again = History.read(path)
            if events:
                same(again.events(), events)
        path = Path(folder) / "journal.zst"
        with Journal(path) as journal:
            for event in events:
                journal.append(event)
        same(History.read(path).events(), events)


@settings(max_examples=50, deadline=None)
@given(
    histories(
        value=st.none() | st.integers() | st.text("ab", max_size=2) | st.lists(st.integers(0, 9), max_size=2)
    )
)
def test_keys_in_values_survive_edn(events):
    history = History.of(events)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.edn"
        history.write(path, "edn")
        if events:
            same(History.read(path).events(), events)


@settings(max_examples=50, deadline=None)
@given(histories(others=()))
def test_operations_and_frames_survive(events):
    history = History.of(events)
    same(History.of(history.operations()).events(), events)
    frame = history.frame()
    assert len(frame) == sum(event.type == "invoke" for event in events)
    again = History.of(frame).events()
    assert [(e.process, e.type, e.f, exact(e.key), e.version, e.error) for e in again] == [
        (e.process, e.type, e.f, exact(e.key), e.version, e.error) for e in events
    ]
    for index, event in enumerate(events):
        if event.type == "invoke":
            assert exact(frame[frame["index"] == index]["asked"].iloc[0]) == exact(event.value)


@settings(max_examples=50, deadline=None)
@given(histories())
def test_event_frames_survive(events):
    kept = [
        (e.index, e.time, e.process, e.type, e.f, exact(e.key), exact(e.value), e.version) for e in events
    ]
    again = History.of(History.of(events).event_frame()).events()
    assert [
        (e.index, e.time, e.process, e.type, e.f, exact(e.key), exact(e.value), e.version) for e in again
    ] == kept


@settings(max_examples=50, deadline=None)
@given(histories())
def test_columns_agree_with_events(events):
    history = History.of(events)
    columns = history.columns
    assert len(columns) == len(events)
    for at, event in enumerate(events):
        assert columns.index[at] == event.index
        assert columns.time[at] == event.time
        assert columns.process[at] == (-1 if event.process == "nemesis" else event.process)
        assert ("invoke", "ok", "fail", "info")[columns.kind[at]] == event.type
        assert exact(columns.text(columns.value[at])) == exact(event.value)
        assert exact(columns.text(columns.key[at])) == exact(event.key)
        assert columns.text(columns.node[at]) == event.node
        assert columns.text(columns.error[at]) == event.error
        if event.index_of_invoke is not None:
            assert columns.pair[at] == event.index_of_invoke
            assert columns.pair[event.index_of_invoke] == at
    assert list(map(exact, columns.texts(columns.value))) == [exact(event.value) for event in events]
