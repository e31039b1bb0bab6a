"""The real Porcupine: its API from Python, our models in Go against the exhaustive judge and the native engines."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.checkers.porcupine import build
from quorate.checkers.porcupine.build import PorcupineMissingError

if shutil.which("go") is None:
    pytest.skip("Porcupine cannot be built: there is no `go` on this machine", allow_module_level=True)

from quorate.checkers import check
from quorate.checkers.porcupine import (
    Annotation,
    CheckResult,
    Event,
    Model,
    NondeterministicModel,
    Operation,
    check_events,
    check_events_verbose,
    check_history,
    check_operations,
    check_operations_timeout,
    check_operations_verbose,
    version,
    visualize,
)
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event as HistoryEvent
from quorate.harness.history import History


def step(state, request, response):
    if request[0] == "put":
        return True, request[1]
    return response == state, state


REGISTER = Model(init=lambda: 0, step=step)
GOOD = [
    Operation(0, ("put", 100), 0, None, 100),
    Operation(1, ("get",), 25, 100, 75),
    Operation(2, ("get",), 30, 0, 60),
]
BAD = [
    Operation(0, ("put", 200), 0, None, 100),
    Operation(1, ("get",), 10, 200, 30),
    Operation(2, ("get",), 40, 0, 90),
]


def test_the_version_is_the_pinned_one():
    assert version() == "v1.3.1"


def test_operations_as_in_porcupines_own_test():
    assert check_operations(REGISTER, GOOD)
    assert not check_operations(REGISTER, BAD)
    assert check_operations(REGISTER, [])


def test_events_as_in_porcupines_own_test():
    good = [
        Event(0, "call", ("put", 100), 0),
        Event(1, "call", ("get",), 1),
        Event(2, "call", ("get",), 2),
        Event(2, "return", 0, 2),
        Event(1, "return", 100, 1),
        Event(0, "return", None, 0),
    ]
    assert check_events(REGISTER, good)
    bad = [good[0], good[1], Event(1, "return", 100, 1), good[2], good[3], good[5]]
    result, info = check_events_verbose(REGISTER, bad, 5)
    assert result == CheckResult.ILLEGAL
    assert info.partial_linearizations()


def test_intervals_are_closed():
    """A read that starts when the write ends may still see what was before."""
    history = [Operation(0, ("put", 1), 0, None, 10), Operation(1, ("get",), 10, 0, 20)]
    assert check_operations(REGISTER, history)
    assert not check_operations(REGISTER, [history[0], Operation(1, ("get",), 11, 0, 20)])


def test_partial_orders_and_the_page(tmp_path):
    result, info = check_operations_verbose(REGISTER, BAD, 5)
    assert result == CheckResult.ILLEGAL
    orders = info.partial_linearizations_operations()[0]
    longest = max(orders, key=len)
    assert len(longest) == 2
    assert BAD[0] in longest
    info.add_annotations([Annotation(start=5, end=50, description="leader killed", tag="nemesis")])
    path = tmp_path / "page.html"
    visualize(REGISTER, info, path)
    page = path.read_text()
    assert "leader killed" in page
    assert "('put', 200)" in page
    result, info = check_operations_verbose(REGISTER, GOOD, 5)
    assert (result, [sorted(order) for order in info.partial_linearizations()[0]]) == ("Ok", [[0, 1, 2]])


def test_states_may_be_anything_with_an_equality():
    calls = []

    def append(state, request, response):
        if request is None:
            return response == state["all"], state
        return True, {"all": [*state["all"], request]}

    def equal(one, other):
        calls.append(1)
        return one == other

    model = Model(init=lambda: {"all": []}, step=append, equal=equal)
    writes = [Operation(n, n, 0, None, 100) for n in range(4)]
    assert check_operations(model, [*writes, Operation(9, None, 110, [2, 0, 1, 3], 120)])
    assert not check_operations(model, [*writes, Operation(9, None, 110, [2, 0, 1, 2], 120)])
    assert calls


def test_parts_are_checked_apart_and_described():
    def partition(history):
        keys = sorted({one.input[0] for one in history})
        return [[one for one in history if one.input[0] == key] for key in keys]

    model = Model(
        init=lambda: 0,
        step=lambda state, request, response: step(state, request[1:], response),
        partition=partition,
        describe_operation=lambda request, response: f"{request[0]}! {response}",
        describe_state=lambda state: f"<{state}>",
    )
    history = [Operation(0, ("a", "put", 1), 0, None, 10), Operation(1, ("b", "get"), 20, 0, 30)]
    assert check_operations(model, history)
    result, info = check_operations_verbose(model, [*history, Operation(1, ("b", "get"), 40, 1, 50)], 5)
    assert result == "Illegal"
    assert len(info.partial_linearizations()) == 2


def test_steps_may_have_several_ends():
    coin = NondeterministicModel(
        init=lambda: ["none"],
        step=lambda state, request, response: (
            ["heads", "tails"] if request == "toss" else [state] if response == state else []
        ),
    ).to_model()
    toss = Operation(0, "toss", 0, None, 10)
    assert check_operations(coin, [toss, Operation(0, "look", 20, "tails", 30)])
    assert not check_operations(
        coin, [toss, Operation(0, "look", 20, "tails", 30), Operation(0, "look", 40, "heads", 50)]
    )


def test_an_exception_in_a_model_ends_the_check_and_is_raised():
    def broken(state, request, response):
        raise KeyError("what?")

    with pytest.raises(KeyError, match="what"):
        check_operations(Model(init=lambda: 0, step=broken), GOOD)


def test_time_and_memory_end_a_search():
    """Thirty writes at once, and a read of a value that was never written: 2^30 states."""
    hard = [Operation(n, ("put", n), 0, None, 1000) for n in range(30)]
    hard += [Operation(50 + n, ("get",), 0, n, 1000) for n in range(30)]
    hard.append(Operation(99, ("get",), 2000, 12345, 3000))
    assert check_operations_timeout(REGISTER, hard, 0.3) == CheckResult.UNKNOWN
    assert check_operations_timeout(REGISTER, hard, 60, memory_bytes=12 << 20) == CheckResult.UNKNOWN


ABANDONED = """
from quorate.checkers.porcupine import CheckResult, Model, Operation, check_operations_timeout

def step(state, request, response):
    return (True, request[1]) if request[0] == "put" else (response == state, state)

hard = [Operation(n, ("put", n), 0, None, 1000) for n in range(30)]
hard += [Operation(50 + n, ("get",), 0, n, 1000) for n in range(30)]
hard.append(Operation(99, ("get",), 2000, 12345, 3000))
for _ in range(30):
    assert check_operations_timeout(Model(init=lambda: -1, step=step), hard, 0.05) == CheckResult.UNKNOWN
print("alive")
"""


def test_searches_that_porcupine_leaves_running_call_nobody():
    """Porcupine does not wait for its searches after a timeout; they once called functions that were freed."""
    done = subprocess.run(
        [sys.executable, "-c", ABANDONED], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-2000:]


def history(rows):
    """Rows of process, type, f, value; time is the row's number."""
    return History.of(
        [
            HistoryEvent(at, at, process, kind, f, None, value)
            for at, (process, kind, f, value) in enumerate(rows)
        ]
    )


@pytest.mark.parametrize(
    ("model", "rows", "verdict"),
    [
        (
            "register",
            [
                (0, "invoke", "write", 1),
                (0, "ok", "write", 1),
                (1, "invoke", "read", None),
                (1, "ok", "read", None),
            ],
            "invalid",
        ),
        (
            "register",
            [
                (0, "invoke", "write", 1),
                (0, "info", "write", None),
                (1, "invoke", "read", None),
                (1, "ok", "read", None),
            ],
            "valid",
        ),
        (
            "cas-register",
            [
                (0, "invoke", "cas", [None, 2]),
                (0, "ok", "cas", [None, 2]),
                (1, "invoke", "read", None),
                (1, "ok", "read", 2),
            ],
            "valid",
        ),
        ("cas-register", [(0, "invoke", "cas", [1, 2]), (0, "ok", "cas", [1, 2])], "invalid"),
        (
            "kv",
            [
                (0, "invoke", "append", "a"),
                (0, "ok", "append", "a"),
                (0, "invoke", "append", "b"),
                (0, "ok", "append", "b"),
                (1, "invoke", "read", None),
                (1, "ok", "read", "ab"),
            ],
            "valid",
        ),
        (
            "kv",
            [
                (0, "invoke", "cas", ["", "b"]),
                (0, "ok", "cas", ["", "b"]),
                (1, "invoke", "read", None),
                (1, "ok", "read", "b"),
            ],
            "valid",
        ),
        (
            "set",
            [
                (0, "invoke", "add", 1),
                (0, "ok", "add", 1),
                (1, "invoke", "read", None),
                (1, "ok", "read", []),
            ],
            "invalid",
        ),
        (
            "set",
            [
                (0, "invoke", "add", 1),
                (0, "info", "add", 1),
                (1, "invoke", "contains", 1),
                (1, "ok", "contains", True),
            ],
            "valid",
        ),
        (
            "queue",
            [
                (0, "invoke", "enqueue", 1),
                (0, "ok", "enqueue", 1),
                (0, "invoke", "enqueue", 2),
                (0, "ok", "enqueue", 2),
                (1, "invoke", "dequeue", None),
                (1, "ok", "dequeue", 2),
            ],
            "invalid",
        ),
        (
            "unordered-queue",
            [
                (0, "invoke", "enqueue", 1),
                (0, "ok", "enqueue", 1),
                (0, "invoke", "enqueue", 2),
                (0, "ok", "enqueue", 2),
                (1, "invoke", "dequeue", None),
                (1, "ok", "dequeue", 2),
            ],
            "valid",
        ),
        (
            "unordered-queue",
            [
                (0, "invoke", "enqueue", 1),
                (0, "ok", "enqueue", 1),
                (2, "invoke", "dequeue", None),
                (1, "invoke", "dequeue", None),
                (1, "ok", "dequeue", None),
            ],
            "valid",
        ),
        (
            "counter",
            [(0, "invoke", "add", 2), (0, "ok", "add", 2), (1, "invoke", "read", None), (1, "ok", "read", 3)],
            "invalid",
        ),
        (
            "lock",
            [
                (0, "invoke", "acquire", None),
                (0, "ok", "acquire", None),
                (1, "invoke", "acquire", None),
                (1, "ok", "acquire", None),
            ],
            "invalid",
        ),
        (
            "fenced-lock",
            [
                (0, "invoke", "acquire", None),
                (0, "ok", "acquire", 2),
                (0, "invoke", "release", None),
                (0, "ok", "release", None),
                (1, "invoke", "acquire", None),
                (1, "ok", "acquire", 1),
            ],
            "invalid",
        ),
    ],
)
def test_each_model_in_go(model, rows, verdict):
    made = history(rows)
    result = check_history(made, model, isolated=False)
    assert (result.verdict, result.engine) == (verdict, "porcupine v1.3.1")
    assert check(made, model).verdict == verdict
    assert bool(result.anomalies) == (verdict == "invalid")


def random_register(rng):
    """A register with few values, some outcomes unknown, sometimes a spoiled read."""
    state, time, rows, running = None, 0, [], {}
    processes = list(range(4))
    spoil = rng.random() < 0.5
    for _ in range(80):
        time += 1
        client = rng.randrange(4)
        process = processes[client]
        if client not in running:
            f = rng.choice(["read", "read", "write", "cas"])
            value = {"read": None, "write": rng.randrange(3), "cas": [rng.randrange(3), rng.randrange(3)]}[f]
            running[client] = (f, value)
            rows.append((process, "invoke", f, value))
            continue
        f, value = running.pop(client)
        unknown = rng.random() < 0.03
        if unknown:
            processes[client] += 4
        happens = not unknown or rng.random() < 0.5
        kind = "ok"
        if f == "write" and happens:
            state = value
        elif f == "cas" and state == value[0] and happens:
            state = value[1]
        elif f == "cas":
            kind = "fail"
        elif f == "read":
            value = state
            if spoil and rng.random() < 0.1:
                value = rng.randrange(3)
        rows.append((process, "info" if unknown else kind, f, None if unknown else value))
    return history(rows)


def test_agrees_with_the_native_engines():
    verdicts = {"valid": 0, "invalid": 0}
    for seed in range(300):
        made = random_register(random.Random(seed))
        one = check_history(made, "cas-register", Limits(time_s=20), isolated=False)
        other = check(made, "cas-register")
        assert one.verdict == other.verdict, seed
        verdicts[one.verdict] += 1
    assert min(verdicts.values()) > 50


def test_a_process_of_its_own_keeps_its_limits(tmp_path):
    hard = [(n, "invoke", "write", n) for n in range(40)]
    hard += [(100 + n, "invoke", "read", None) for n in range(40)]
    hard += [(n, "ok", "write", n) for n in range(40)] + [(100 + n, "ok", "read", n) for n in range(40)]
    hard += [(99, "invoke", "read", None), (99, "ok", "read", 12345)]
    late = check_history(history(hard), "register", Limits(time_s=0.5))
    assert (late.verdict, "time" in late.reason) == (Verdict.UNKNOWN, True)
    big = check_history(history(hard), "register", Limits(time_s=60, memory_bytes=110 << 20))
    assert (big.verdict, "memory" in big.reason) == (Verdict.UNKNOWN, True)
    # Watched from outside: what it takes between two looks depends on the machine, tens of gigabytes it never takes.
    assert big.memory_mb < 2_000
    page = tmp_path / "page.html"
    fine = check_history(history([hard[0], hard[80]]), "register", html=page)
    assert fine.verdict == Verdict.VALID
    assert "write(0)" in page.read_text()


def test_keys_are_parts_and_the_bad_one_is_told():
    events = []
    for key in ("a", "b"):
        for f, value in (("write", 1), ("read", 1 if key == "a" else 2)):
            at = len(events)
            events.append(HistoryEvent(at, at, 0, "invoke", f, key, None if f == "read" else value))
            events.append(HistoryEvent(at + 1, at + 1, 0, "ok", f, key, value))
    result = check_history(History.of(events), "register", isolated=False)
    assert (result.verdict, result.anomalies[0].key) == (Verdict.INVALID, "b")
    assert result.anomalies[0].culprit == 6
    assert "read of process 0 at index 6" in result.anomalies[0].sentence


def porcupines_tests():
    """Porcupine's own logs: number, and whether its tests call them linearizable."""
    folder = build.module_directory()
    found = re.findall(r"checkJepsen\(t, (\d+), (true|false)\)", (folder / "porcupine_test.go").read_text())
    return folder / "test_data", [(int(number), good == "true") for number, good in found]


def test_porcupines_own_etcd_logs():
    folder, expected = porcupines_tests()
    assert len(expected) == 102
    for number, good in expected:
        made = History.read(folder / "jepsen" / f"etcd_{number:03d}.log")
        result = check_history(made, "cas-register", isolated=False, explain=False)
        verdict = Verdict.VALID if good else Verdict.INVALID
        assert (result.verdict, check(made, "cas-register").verdict) == (verdict, verdict), number


@pytest.mark.parametrize(
    ("name", "verdict"), [("c01-ok", "valid"), ("c01-bad", "invalid"), ("c10-ok", "valid")]
)
def test_porcupines_own_kv_logs(name, verdict):
    folder, _ = porcupines_tests()
    made = History.read(folder / "kv" / f"{name}.txt")
    limits = Limits(memory_bytes=2 << 30)
    assert check_history(made, "kv", limits, isolated=False, explain=False).verdict == verdict
    assert check(made, "kv").verdict == verdict


def test_what_cannot_be_read_is_unknown_and_an_unknown_model_is_refused():
    odd = history([(0, "invoke", "explode", None), (0, "ok", "explode", None)])
    result = check_history(odd, "register", isolated=False)
    assert (result.verdict, "explode" in result.reason) == (Verdict.UNKNOWN, True)
    with pytest.raises(ValueError, match="cas-register"):
        check_history(odd, "blockchain")


def test_without_go_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(build.shutil, "which", lambda *_, **__: None)
    build.library.cache_clear()
    try:
        with pytest.raises(PorcupineMissingError, match="install Go"):
            build.library()
    finally:
        build.library.cache_clear()


def test_the_worker_can_be_run_by_hand():
    request = b'{"what":"judge","model":"register","timeout_s":5}'
    line = b'{"index":0,"time":0,"process":0,"type":"invoke","f":"write","value":1}\n'
    done = subprocess.run(
        [sys.executable, "-m", "quorate.checkers.porcupine.worker"],
        input=b"%d\n%s%s" % (len(request), request, line),
        capture_output=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert b'"result":"Ok"' in done.stdout
