"""Settled outcomes, held against what the servers really did: the simulated replicas are watched while they apply."""

import asyncio

import pytest

from quorate.checkers.linearizable import Linearizable
from quorate.harness.core.memberlog import Change, LogEntry, MemberLog
from quorate.harness.core.test import Test
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import History
from quorate.harness.history.event import Event
from quorate.harness.memberlogs import operations, reading
from quorate.harness.memberlogs.joined import named
from quorate.harness.memberlogs.settling import settle
from quorate.harness.run import run
from quorate.harness.run.runner import recorder
from quorate.harness.systems.simulated.store import Store


class Truth:
    """When each (key, value) was first applied by any replica, in nanoseconds of the history."""

    def __init__(self, monkeypatch):
        self.first = {}
        self.zero = None
        real, made = Store.apply, recorder.Recorder.__init__

        def apply(store, index, command):
            before = dict(store.cells)
            outcome = real(store, index, command)
            for place, cell in store.cells.items():
                if before.get(place) is not cell:
                    self.changed(command, place, cell)
            return outcome

        def begin(self_, *args, **more):
            made(self_, *args, **more)
            self.zero = asyncio.get_running_loop().time() if self.zero is None else self.zero

        monkeypatch.setattr(Store, "apply", apply)
        monkeypatch.setattr(recorder.Recorder, "__init__", begin)

    def changed(self, command, place, cell):
        try:
            now = asyncio.get_running_loop().time()
        except RuntimeError:
            return  # a replay, after the run
        value = command.argument if command.f in {"add", "enqueue"} else cell.value
        value = value[-1] if isinstance(value, list) and value else value
        self.first.setdefault(named(place[1], value), (now - (self.zero or now)) * 1e9)


def done_with(tmp_path, seed, workload="register", faults=("partition", "kill", "pause"), bug="none"):
    test = Test(
        system="simulated", workload=(workload,), faults=faults, fault_interval=1.0, time=2.5, seed=seed,
        store=str(tmp_path), timeout=0.3, settings={"bug": bug},
    )  # fmt: skip
    return run(test, report=False)


def settled_of(folder):
    history = History.read(folder)
    return history, *settle(history, reading.read(folder), 3)


@pytest.mark.parametrize("workload", ["register", "set", "queue", "append", "rw"])
@pytest.mark.parametrize("seed", range(2))
def test_what_is_settled_is_what_the_replicas_did(tmp_path, monkeypatch, workload, seed):
    truth = Truth(monkeypatch)
    done = done_with(tmp_path, seed, workload)
    history, after, settled = settled_of(done.folder)
    assert settled.reason == ""
    hold(truth, history, after)
    assert len(after) == len(history)


def hold(truth, history, after):
    """Each outcome that changed is true, and its answer stands behind the moment at which it was first applied."""
    before = {
        (one.invoke.process, one.invoke.f): one for one in history.operations() if one.outcome == "info"
    }
    for one in after.operations():
        was = before.get((one.invoke.process, one.invoke.f))
        if was is None or one.outcome == "info" or was.invoke.value != one.invoke.value:
            continue
        moments = [truth.first.get(named(*mark)) for mark in operations.written(one.invoke)]
        if one.outcome == "fail":
            assert moments == [None] * len(moments), one
        else:
            assert all(moment is not None and moment <= one.completion.time for moment in moments), one


@pytest.mark.parametrize("seed", range(3))
def test_a_settled_history_of_a_correct_system_is_valid(tmp_path, seed):
    done = done_with(tmp_path, seed)
    _, after, settled = settled_of(done.folder)
    assert settled.happened + settled.never > 0
    result = Linearizable("cas-register").check(after, Limits())
    assert result.verdict is Verdict.VALID, result.anomalies


@pytest.mark.parametrize(
    ("bug", "says"),
    [
        ("lost-write", "was acknowledged, and no log says that it happened"),
        ("split-brain", "was acknowledged, and no log says that it happened"),
        ("lost-update", "no member's state could be compared"),
    ],
)
def test_logs_that_the_history_contradicts_settle_nothing(tmp_path, bug, says):
    for seed in range(20):
        done = done_with(tmp_path, seed, bug=bug)
        history, after, settled = settled_of(done.folder)
        if says in settled.reason:
            assert after is history
            return
    pytest.fail(f"no run of {bug} in 20")


def event(index, kind, process, value, **more):
    return Event(index, index * 1000, process, kind, "write", key="k", value=value, **more)


def log(member, *values, applied=None, complete=True, **more):
    entries = tuple(
        LogEntry(at, 1, f"write k = {value}", *[(Change("register", "k", value),)] * 2, revision=at)
        for at, value in enumerate(values, 1)
    )
    last = len(values) if applied is None else applied
    return MemberLog(member, entries, commit=last, applied=last, complete=complete, explained=True, **more)


HISTORY = [
    event(0, "invoke", 1, 1),
    event(1, "ok", 1, 1),
    event(2, "invoke", 2, 2),
    event(3, "info", 2, 2, error=["timeout", ""]),
    event(4, "invoke", 3, 3),
    event(5, "ok", 3, 3),
    event(6, "invoke", 4, 4),
    event(7, "info", 4, 4, error=["timeout", ""]),
]


def outcomes(logs, events=HISTORY, nodes=3):
    history = History.of(events)
    after, settled = settle(history, logs, nodes)
    return {one.invoke.value: (one.outcome, one.completion.index) for one in after.operations()}, settled


def test_an_answer_stands_behind_the_next_one_that_the_log_has_behind_it():
    found, settled = outcomes([log(name, 1, 2, 3) for name in ("n1", "n2", "n3")])
    assert found == {1: ("ok", 1), 2: ("ok", 5), 3: ("ok", 4), 4: ("fail", 7)}
    assert (settled.happened, settled.never, settled.unknown) == (1, 1, 0)


def test_what_stands_behind_all_acknowledged_ones_is_answered_at_the_end():
    found, _ = outcomes([log(name, 1, 3, 2) for name in ("n1", "n2", "n3")])
    assert found[2] == ("ok", 7)
    assert found[4] == ("fail", 6)


def test_what_is_not_agreed_on_stays_unknown():
    found, settled = outcomes([log(name, 1, 3, 2, applied=2) for name in ("n1", "n2", "n3")])
    assert found[2][0] == "info"
    assert settled.why == {"its entry was not agreed on by the end": 1}


def test_what_a_client_saw_is_not_said_never_to_have_happened():
    saw = [Event(8, 8000, 5, "invoke", "read", key="k"), Event(9, 9000, 5, "ok", "read", key="k", value=4)]
    found, settled = outcomes([log(name, 1, 3) for name in ("n1", "n2", "n3")], [*HISTORY, *saw])
    assert (found[2][0], found[4][0]) == ("fail", "info")
    assert settled.why == {"no log has it, but a client saw it": 1}


def test_a_value_that_two_ask_for_settles_neither():
    twice = [*HISTORY, event(8, "invoke", 5, 2), event(9, "info", 5, 2, error=["timeout", ""])]
    found, settled = outcomes([log(name, 1, 3) for name in ("n1", "n2", "n3")], twice)
    assert settled.why == {"it writes nothing that is its alone, as reads do": 2}
    assert found[4][0] == "fail"


def test_an_entry_that_is_there_twice_settles_nothing():
    found, settled = outcomes([log(name, 1, 2, 3, 2) for name in ("n1", "n2", "n3")])
    assert found[2][0] == "info"
    assert settled.why == {"its entry is in the log more than once, or in parts": 1}


@pytest.mark.parametrize(
    ("logs", "says"),
    [
        ([log("n1", 1, 3), log("n2", 1, 3)], "the logs of 2 of 3 members"),
        ([log("n1", 1, 3), log("n2", 1, 3), log("n3", 1, 3, complete=False)], "n3 is not complete"),
        ([log("n1", 1, 3), log("n2", 1, 3), log("n3", 1, 4)], "differ at entry 2"),
        ([log("n1", 1), log("n2", 1), log("n3", 1)], "p3's write of 3 (event 4) was acknowledged"),
    ],
)
def test_what_must_hold_of_the_logs(logs, says):
    found, settled = outcomes(logs)
    assert says in settled.reason
    assert {outcome for outcome, _ in found.values()} == {"ok", "info"}
