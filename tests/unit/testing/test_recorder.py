"""The history recorder and `assert_linearizable`, as a user's tests meet them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from quorate.harness.core.outcome import Refused, Unknown
from quorate.harness.core.verdict import Result, Verdict
from quorate.testing import HistoryRecorder, assert_linearizable


def record(recorder, client, f, value=None, **how):
    with recorder.operation(client, f, value=value) as operation:
        getattr(operation, how.get("end", "ok"))(*how.get("told", ()))


def test_threads_share_one_recorder_in_real_time_order():
    recorder = HistoryRecorder()
    lock, stored = threading.Lock(), [None]
    barrier = threading.Barrier(4)

    def work(client):
        barrier.wait()
        for turn in range(100):
            if turn % 2:
                with recorder.operation(client, "write", value=client * 1000 + turn) as operation, lock:
                    stored[0] = client * 1000 + turn
                    operation.ok()
            else:
                with recorder.operation(client, "read") as operation, lock:
                    operation.ok(stored[0])

    threads = [threading.Thread(target=work, args=(client,)) for client in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = list(recorder.history().events())
    assert len(events) == 800
    assert [event.index for event in events] == list(range(800))
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert assert_linearizable(recorder, "register").verdict is Verdict.VALID


def test_coroutines_overlap_and_a_stale_read_is_found():
    async def story():
        recorder = HistoryRecorder()
        written = asyncio.Event()

        async def writer():
            record(recorder, 0, "write", 1)
            record(recorder, 0, "write", 2)
            written.set()

        async def reader():
            await written.wait()
            with recorder.operation(1, "read") as operation:
                await asyncio.sleep(0)
                operation.ok(1)

        await asyncio.gather(reader(), writer())
        return recorder

    with pytest.raises(AssertionError, match=r"not linearizable as register: .*read 1"):
        assert_linearizable(asyncio.run(story()), "register")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Refused("full", "no room"), "fail", "full"),
        (Unknown("timeout", "no answer"), "info", "timeout"),
        (ConnectionResetError("gone"), "info", "ConnectionResetError"),
        (KeyboardInterrupt(), "info", "KeyboardInterrupt"),
    ],
)
def test_what_the_block_raises_is_recorded_and_raised_again(error, kind, code):
    recorder = HistoryRecorder()
    with pytest.raises(type(error)), recorder.operation(0, "write", value=1):
        raise error
    assert recorder.events[-1].type == kind
    assert recorder.events[-1].error[0] == code


def test_an_unknown_write_may_take_effect_later_and_its_client_goes_on_as_another_process():
    recorder = HistoryRecorder()
    record(recorder, 0, "write", 1)
    record(recorder, 0, "write", 2, end="info")
    record(recorder, 0, "read", end="ok", told=(1,))
    record(recorder, 0, "read", end="ok", told=(2,))
    processes = [event.process for event in recorder.events if event.type == "invoke"]
    assert processes[0] == processes[1] == 0
    assert processes[2] == processes[3] == 1 << 16
    assert_linearizable(recorder, "register")


def test_a_block_without_a_word_is_unknown_and_the_first_word_counts():
    recorder = HistoryRecorder()
    with recorder.operation(0, "write", value=1):
        pass
    with recorder.operation(0, "write", value=2) as operation:
        operation.ok()
        operation.fail()
    assert [event.type for event in recorder.events] == ["invoke", "info", "invoke", "ok"]


def test_a_failed_write_that_is_read_is_an_anomaly():
    recorder = HistoryRecorder()
    record(recorder, 0, "write", 1, end="fail")
    record(recorder, 1, "read", end="ok", told=(1,))
    with pytest.raises(AssertionError, match="not linearizable"):
        assert_linearizable(recorder, "register")


def test_what_proves_nothing_fails():
    empty = HistoryRecorder()
    with pytest.raises(AssertionError, match="proves nothing"):
        assert_linearizable(empty)
    record(empty, 0, "write", 1, end="info")
    with pytest.raises(AssertionError, match="proves nothing"):
        assert_linearizable(empty)


def test_what_a_checker_leaves_undecided_fails(monkeypatch):
    recorder = HistoryRecorder()
    record(recorder, 0, "write", 1)
    undecided = Result("linearizable", Verdict.UNKNOWN, reason="no time was left")
    monkeypatch.setattr("quorate.checkers.check", lambda *_, **__: undecided)
    with pytest.raises(AssertionError, match="not decided: no time was left"):
        assert_linearizable(recorder, "register")


def test_clients_are_numbered():
    recorder = HistoryRecorder()
    with pytest.raises(ValueError, match="a number from 0"), recorder.operation(-1, "read"):
        pass
