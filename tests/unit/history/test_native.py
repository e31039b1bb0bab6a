"""The boundary to the native core: errors, memory, threads."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

from quorate.harness.history import Event, History, HistoryError, native
from quorate.harness.history.columns import NO_VERSION, NONE


def history(count=4):
    return History.of([Event(i, i, i, "invoke", "w", key="k", value=[i, "é"]) for i in range(count)])


def test_columns_outlive_their_history():
    columns = history(1000).columns
    time = columns.time
    value = columns.value
    text = columns.text
    del columns
    gc.collect()
    junk = [history(1000) for _ in range(20)]
    assert time.tolist() == list(range(1000))
    assert text(value[7]) == [7, "é"]
    assert len(junk) == 20


def test_columns_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        history().columns.time[0] = 5


def test_what_is_absent():
    columns = history().columns
    assert (columns.pair == NONE).all()
    assert (columns.version == NO_VERSION).all()
    assert columns.text(columns.node[0]) is None
    assert columns.text(0) is None


def test_a_handle_of_another_history_is_refused():
    with pytest.raises(HistoryError, match="is not a text"):
        history().columns.text(10_000)
    with pytest.raises(HistoryError, match="is not a text"):
        history().columns.texts(np.array([1, 10_000], dtype=np.uint32))


def test_an_unfinished_history_has_no_columns():
    handle = native.Handle()
    handle.feed(b'{"process":0,"type":"invoke","f":"w"}\n')
    assert len(handle) == 0
    with pytest.raises(HistoryError, match="not finished"):
        handle.write("jsonl", 0, 1)
    with pytest.raises(HistoryError, match="not finished"):
        native.check(handle, {"engine": "linear"})


def test_an_error_stays():
    handle = native.Handle("jsonl")
    for _ in range(2):
        with pytest.raises(HistoryError, match="line 1"):
            handle.feed(b'{"process":0,"type":"nonsense","f":"r"}\n')
    with pytest.raises(HistoryError, match="line 1"):
        handle.finish()


def test_ctrl_c_stops_the_engine_and_is_raised(monkeypatch):
    ended = threading.Event()

    def engine(_function, _history, _request, _length, stop):
        if not stop:  # the short attempt on the caller's own thread
            return b'{"verdict": "unknown", "tally": {}, "keys": []}'
        deadline = time.monotonic() + 10
        while not stop[0] and time.monotonic() < deadline:
            time.sleep(0.005)
        ended.set()
        return b"{}"

    timer = threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT])
    subject = history()
    monkeypatch.setattr(native, "_call", engine)
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        native.check(subject, {"engine": "linear"})
    assert ended.is_set()
    assert time.monotonic() - started < 5


def test_unknown_engines_and_formats_are_refused(tmp_path):
    with pytest.raises(HistoryError, match='no engine "magic"'):
        native.check(history(), {"engine": "magic"})
    with pytest.raises(HistoryError, match='not written as "csv"'):
        history().write(tmp_path / "a", "csv")
    with pytest.raises(HistoryError, match="not written"):
        history().handle.write("text", 0, 1)


def test_events_by_position_and_by_index():
    part = History.of(history(6).events()[2:])
    assert part.event(0).index == 2
    assert part.position(5) == 3
    with pytest.raises(KeyError):
        part.position(1)
    with pytest.raises(IndexError):
        part.event(4)


def test_a_missing_core_says_how_to_build_it():
    code = (
        "import sys; sys.modules['quorate._native'] = None\n"
        "from quorate.harness.history import Event, History, NativeMissingError\n"
        "try: History.of([])\n"
        "except NativeMissingError as error: print(error)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "maturin develop --release" in out.stdout


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs the extra quorate[arrow]")
    history(3).write(tmp_path / "a.parquet", "parquet")
    table = parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert table["value"] == ['[0,"é"]', '[1,"é"]', '[2,"é"]']
    assert table["process"] == [0, 1, 2]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(HistoryError, match="quorate\\[arrow\\]"):
        history().write(tmp_path / "a.parquet", "parquet")


def test_a_frame_of_ones_own_needs_little():
    frame = pd.DataFrame(
        {
            "process": [0, 1, 2],
            "f": ["write", "read", "write"],
            "asked": [1, None, 2],
            "value": [1, 1, 2],
            "outcome": ["ok", "ok", "info"],
            "invoked_s": [0.0, 0.5, 0.25],
            "completed_s": [1.0, 0.75, None],
        }
    )
    events = History.of(frame).events()
    assert [(event.process, event.type, event.time, event.value) for event in events] == [
        (0, "invoke", 0, 1),
        (2, "invoke", 250_000_000, 2),
        (1, "invoke", 500_000_000, None),
        (1, "ok", 750_000_000, 1),
        (0, "ok", 1_000_000_000, 1),
    ]
    assert {type(event.value) for event in events} == {int, type(None)}
    with pytest.raises(HistoryError, match="missing: outcome"):
        History.of(frame.drop(columns="outcome"))
