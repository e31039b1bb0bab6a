"""What counts as a test: faults that clients met, settings that do something, bugs that acted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from quorate import Test, run
from quorate.harness.core.results import FaultRow, Statistics, Stretch
from quorate.harness.core.test import UsageError
from quorate.harness.history import History
from quorate.harness.history.event import Event
from quorate.harness.history.operations import of
from quorate.harness.run import load_test, prepare
from quorate.harness.run.gates import Thresholds, gates
from quorate.harness.run.injections import faults
from quorate.harness.run.outages import longest_within, stretches, summary
from quorate.harness.run.settings import check_settings
from quorate.reports.stored import told


def simulated(tmp_path, **options):
    usual = {"system": "simulated", "time": 10.0, "seed": 1, "store": str(tmp_path / "store")}
    return Test(**(usual | options))


def schedule(tmp_path, text):
    path = tmp_path / "schedule.toml"
    path.write_text(text)
    return str(path)


KILL = '[[fault]]\nat = "{at}"\nfor = "{length}"\nfault = "kill"\ntarget = "n1"\n'


def test_a_fault_that_would_begin_after_the_load_is_refused(tmp_path):
    path = schedule(tmp_path, KILL.format(at="20s", length="1s"))
    with pytest.raises(UsageError, match="kill at 20 s comes after the load, which ends at 10 s"):
        run(simulated(tmp_path, schedule=path))


def test_the_load_goes_on_until_a_fault_that_was_begun_has_ended(tmp_path):
    path = schedule(tmp_path, KILL.format(at="9s", length="6s"))
    done = run(simulated(tmp_path, schedule=path))
    assert (done.verdict, done.exit_code) == ("valid", 0), done.results.reason
    (row,) = done.results.faults
    assert row.healed_s > 15
    operations = of(History.read(done.folder).columns)
    assert ((operations.begin_s > 10) & (operations.begin_s < row.heal_began_s)).sum() > 500
    assert row.asked > 1000
    assert row.unasked == []


def test_a_run_with_a_schedule_names_its_faults(tmp_path):
    path = schedule(tmp_path, KILL.format(at="2s", length="2s"))
    done = run(simulated(tmp_path, schedule=path, settings={"overlap": "yes"}))
    assert done.folder.parent.name == "simulated-register-kill_n1"
    assert '"kill:n1"' in (done.folder / "test.json").read_text()


def test_settings_of_faults_in_a_schedule_are_known(tmp_path):
    path = schedule(tmp_path, '[[fault]]\nat = "2s"\nfor = "2s"\nfault = "corrupt"\n')
    check_settings(simulated(tmp_path, schedule=path, settings={"corrupt.kind": "wal-bit"}))
    with pytest.raises(UsageError, match="nothing here knows"):
        check_settings(simulated(tmp_path, settings={"corrupt.kind": "wal-bit"}))


def test_a_schedule_that_overlaps_is_refused_where_overlap_is_not_wanted(tmp_path):
    more = '[[fault]]\nat = "3s"\nfor = "1s"\nfault = "partition"\n'
    path = schedule(tmp_path, KILL.format(at="2s", length="3s") + more)
    prepare(simulated(tmp_path, schedule=path))
    with pytest.raises(UsageError, match="partition at 3 s begins while kill is in force"):
        prepare(simulated(tmp_path, schedule=path, settings={"overlap": "no"}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workload": ("append",), "settings": {"bug": "dirty-read"}}, "does nothing with append"),
        ({"workload": ("append",), "settings": {"bug": "lost-element"}}, "does nothing with append"),
        ({"workload": ("queue",), "settings": {"bug": "lost-write"}}, "does nothing with queue"),
        ({"workload": ("lock",), "settings": {"bug": "stale-read"}}, "does nothing with lock"),
        ({"workload": ("lock",), "settings": {"bug": "lost-write"}}, "does nothing with lock"),
        ({"settings": {"bug": "lock-held-twice"}}, "does nothing with register"),
        ({"system": "simulated@1.2"}, "simulated has no releases"),
        ({"cluster": "docker"}, "needs a real service"),
        ({"cluster": "local"}, "needs a real service"),
        ({"system": "etcd", "cluster": "simulated"}, "is for simulated systems"),
        ({"faults": ("none", "kill")}, "none cannot be combined"),
        ({"settings": {"pinning": "typo"}}, "known: all, none, mixed"),
        ({"settings": {"gate.operations": "-5"}}, "give a whole number of 0 or more"),
        ({"settings": {"gate.success": "nan"}}, "give a number from 0 to 1"),
        ({"settings": {"gate.success": "1.5"}}, "give a number from 0 to 1"),
        ({"rate": float("nan")}, "operations per second"),
        ({"rate": float("inf")}, "operations per second"),
        ({"rate": -1.0}, "operations per second"),
        ({"time": float("inf")}, "finite"),
    ],
)
def test_what_does_nothing_or_makes_no_sense_is_refused(tmp_path, options, words):
    with pytest.raises(UsageError, match=words):
        run(simulated(tmp_path, **options))
    assert not (tmp_path / "store").exists()


def test_a_bug_that_never_acted_makes_the_run_inconclusive(tmp_path):
    done = run(simulated(tmp_path, settings={"bug": "split-brain"}))
    assert (done.verdict, done.exit_code) == ("unknown", 2)
    assert "the bug split-brain acted never" in done.results.reason


def test_a_bug_that_acted_is_counted(tmp_path):
    done = run(simulated(tmp_path, workload=("lock",), settings={"bug": "lock-held-twice"}))
    assert done.verdict == "invalid"
    (gate,) = [gate for gate in done.results.gates if gate.name == "bug"]
    assert gate.holds


def row(**more):
    return FaultRow(**({"fault": "kill", "outcome": "ok", "asked": 100} | more))


def fault_gate(*rows, **thresholds):
    numbers = Statistics(operations=100, ok=100)
    found = gates(
        numbers,
        rows,
        functions=(),
        faults_asked=("kill",),
        thresholds=Thresholds(**thresholds),
        final_reads=None,
    )
    return next(gate for gate in found if gate.name == "fault kill")


def test_a_fault_under_which_nobody_asked_proves_nothing():
    gate = fault_gate(row(asked=0))
    assert not gate.holds
    assert gate.text == (
        "kill was injected once, proved once, but 0 operations began while it was in force, 5 are needed"
    )
    assert fault_gate(row(asked=0), row(asked=7)).holds, "one that was met is enough"
    assert fault_gate(row(asked=0), under_fault=0).holds
    assert not fault_gate(row(outcome="info")).holds


def test_a_fault_whose_own_node_nobody_asked_proves_nothing():
    gate = fault_gate(row(unasked=["n2"]))
    assert not gate.holds
    assert "n2 had no operation while it was in force" in gate.text


def operation(number, process, begin_s, end_s, *, outcome="ok", node="n1", error=None):
    begun = Event(2 * number, int(begin_s * 1e9), process, "invoke", "read", "k", None, node)
    if end_s is None:
        return [begun]
    ended = Event(
        2 * number + 1,
        int(end_s * 1e9),
        process,
        outcome,
        "read",
        "k",
        1,
        node,
        None,
        None,
        error,
        begun.index,
    )
    return [begun, ended]


def history_of(*operations):
    events = sorted((event for pair in operations for event in pair), key=lambda event: event.time)
    numbers = {event.index: number for number, event in enumerate(events)}
    found = []
    for event in events:
        pair = numbers.get(getattr(event, "pair", None))
        found.append(
            Event(
                numbers[event.index],
                event.time,
                event.process,
                event.type,
                event.f,
                event.key,
                event.value,
                event.node,
                None,
                None,
                event.error,
                pair,
            )
        )
    return History.of(found)


def test_an_outage_is_counted_in_seconds_and_only_while_something_was_asked():
    history = history_of(
        operation(0, 0, 0.0, 0.01),
        operation(1, 0, 1.0, 2.0, outcome="info", error=["timeout", ""]),
        operation(2, 1, 1.5, 2.5, outcome="info", error=["timeout", ""]),
        operation(3, 2, 3.0, 3.01),
        operation(4, 2, 9.0, 9.5, outcome="fail", error=["no-leader", ""]),
    )
    found = summary(of(history.columns), 20.0)
    assert found.stretches == [Stretch(1.0, 3.01), Stretch(9.0, 9.5)]
    assert (found.total_s, found.longest_s) == (2.51, 2.01)


def test_the_time_after_the_load_is_no_outage():
    history = history_of(
        operation(0, 0, 1.0, 1.1),
        operation(1, 0, 14.0, 14.9, outcome="info", error=["timeout", ""]),
        operation(2, 1, 76.0, 76.2),
    )
    found = summary(of(history.columns), 15.0)
    assert found.nodes["n1"].stretches == [Stretch(14.0, 14.9)]


def test_a_correct_refusal_is_service_and_one_that_asked_nobody_is_neither():
    told = [
        operation(number, number, number / 10, number / 10 + 0.01, outcome="fail", error=error)
        for number, error in enumerate(
            (
                ["not-elected", "answered"],
                ["not-elected", "unasked: not elected"],
                ["no-leader", "answered by none"],
            )
        )
    ]
    asked = of(history_of(*told).columns).reached()
    assert len(asked) == 2
    assert asked.served().tolist() == [True, False]


def nemesis(number, action, begin_s, end_s, outcome="ok"):
    value = {"action": action, "target": "n1", "plan": {"fault": "kill", "target": "n1", "nodes": ["n1"]}}
    begun = Event(2 * number, int(begin_s * 1e9), "nemesis", "invoke", "kill", None, value, None)
    ended = Event(
        2 * number + 1,
        int(end_s * 1e9),
        "nemesis",
        outcome,
        "kill",
        None,
        value,
        None,
        None,
        None,
        None,
        begun.index,
    )
    return [begun, ended]


def test_a_fault_begins_when_its_injection_began_and_ends_when_its_healing_was_proved():
    history = history_of(
        nemesis(10, "inject", 1.0, 5.0),
        operation(0, 0, 2.0, 3.0, outcome="info", error=["timeout", ""]),
        operation(1, 1, 6.0, 6.1, node="n2"),
        nemesis(11, "heal", 7.0, 8.0),
        operation(2, 2, 8.5, 8.6),
    )
    (found,) = faults(history, of(history.columns), 10.0)
    moments = [getattr(found, key) for key in ("began_s", "injected_s", "heal_began_s", "healed_s")]
    assert moments == [1.0, 5.0, 7.0, 8.0]
    assert (found.asked, found.unasked, found.availability) == (2, [], 0.5)
    assert found.outage_s == 1.0, "as long as somebody waited"
    assert found.recovery_s == 0.6


def test_stretches_are_found_in_columns():
    begin, end = np.array([0.0, 1.0, 2.0]), np.array([0.5, np.inf, 2.5])
    found = stretches(begin, end, np.array([True, False, True]), 10.0)
    assert found == [(0.0, 0.5), (1.0, 2.5), (2.5, 10.0)]
    assert longest_within(found, 0.6, 2.4) == 1.5


def by_looking_at_each_gap(begin, end, served):
    """The definition: from when one waits after an answer (or from the first asked then) to the next answer."""
    edges = [-float("inf"), *sorted(set(end[served].tolist())), float("inf")]
    for start, stop in itertools.pairwise(edges):
        waits = ((begin <= start) & (end > start)).any()
        asked = begin[(begin > start) & (begin < stop)]
        if waits or len(asked):
            since, until = start if waits else asked.min(), stop if np.isfinite(stop) else end.max()
            if until > since:
                yield float(since), float(until)


def test_stretches_are_found_gap_by_gap():
    rng = np.random.default_rng(7)
    for _ in range(300):
        many = int(rng.integers(1, 12))
        begin = np.round(rng.random(many) * 0.5, 1)
        end = begin + np.round(0.1 + rng.random(many) * 0.3, 1)
        served = rng.random(many) < 0.5
        assert stretches(begin, end, served, 1.0) == list(by_looking_at_each_gap(begin, end, served))


SLOW = '[[fault]]\nat = "3s"\nfor = "3s"\nfault = "pause"\nnodes = ["n1", "n2"]\n'


def test_latency_counts_from_when_an_operation_was_due(tmp_path):
    """Two of three servers stand still for 3 s of 10: clients that wait ask little, users would have waited."""
    done = run(simulated(tmp_path, schedule=schedule(tmp_path, SLOW)))
    numbers = done.results.statistics
    plain, due = numbers.latency_ms, numbers.latency_due_ms
    assert due["p99"] > 10 * plain["p99"]
    assert due["left_out"] > 100
    assert done.results.outages.longest_s > 2.5
    assert done.results.faults[0].outage_s > 2.5
    assert numbers.by_function["read"].latency_due_ms


@pytest.mark.parametrize(
    ("settings", "broken"),
    [
        ({"slo.outage": "10s", "slo.recovery": "9s", "slo.p99": "10s"}, set()),
        ({"slo.outage": "1s", "slo.recovery": "9s"}, {"slo.outage"}),
        ({"slo.p99": "100ms", "slo.p50": "100ms"}, {"slo.p99"}),
        ({"slo.recovery": "1us"}, {"slo.recovery"}),
    ],
)
def test_objectives_are_guarantees(tmp_path, settings, broken):
    done = run(simulated(tmp_path, schedule=schedule(tmp_path, SLOW), settings=settings))
    verdicts = {one.guarantee: one.verdict for one in done.results.guarantees}
    assert {name for name, verdict in verdicts.items() if verdict == "invalid"} == broken
    assert set(settings) <= set(verdicts)
    assert done.exit_code == (1 if broken else 0)
    if "slo.outage" in broken:
        assert "nothing was served for" in done.results.reason
        assert "and 1s is allowed" in done.results.reason


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"slo.outage": "3"}, "not a duration"),
        ({"slo.outrage": "3s"}, 'did you mean "slo.outage"'),
        ({"slo.recovery": "3s"}, "does nothing without faults"),
    ],
)
def test_objectives_that_make_no_sense_are_refused(tmp_path, settings, words):
    with pytest.raises(UsageError, match=words):
        prepare(simulated(tmp_path, settings=settings))


def test_an_upgrade_tells_what_clients_met_at_each_server():
    steps = [
        {"node": "n2", "stopped_s": 0.0, "up_s": 0.5, "healthy_s": 4.0},
        {"node": "n1", "stopped_s": 4.0, "up_s": 4.5, "healthy_s": 5.0},
    ]
    value = {
        "action": "inject",
        "target": "all",
        "plan": {"fault": "upgrade", "target": "all", "nodes": ["n1", "n2"]},
        "proof": {"holds": True, "text": "", "data": {"steps": steps}},
    }
    begun = Event(20, 1_000_000_000, "nemesis", "invoke", "upgrade", None, value, None)
    ended = Event(21, 6_000_000_000, "nemesis", "ok", "upgrade", None, value, None, None, None, None, 20)
    history = history_of(
        [begun, ended],
        operation(0, 0, 2.0, 3.5, outcome="info", error=["timeout", ""]),
        operation(1, 1, 3.0, 3.2, node="n2"),
        operation(2, 2, 5.5, 5.6),
    )
    (row,) = faults(history, of(history.columns), 10.0)
    first, second = row.steps
    assert (first.stopped_s, first.up_s, first.healthy_s) == (1.0, 1.5, 5.0)
    assert (first.availability, first.slowest_ms, first.outage_s) == (0.5, 200.0, 1.2)
    assert (second.node, second.availability, second.slowest_ms) == ("n1", 1.0, 100.0)
    assert told(first) == ("n2: stopped 1.000 s, up 1.500 s, healthy 5.000 s; 50 % served, slowest 200 ms")


def test_an_outage_is_split_where_nobody_asks():
    history = history_of(
        operation(0, 0, 0.0, 0.01),
        operation(1, 0, 1.0, 2.0, outcome="info", error=["timeout", ""]),
        operation(2, 0, 2.1, 3.1, outcome="info", error=["timeout", ""]),
        operation(3, 0, 7.0, 8.0, outcome="info", error=["timeout", ""]),
        operation(4, 0, 8.1, 8.2),
    )
    found = summary(of(history.columns), 20.0).stretches
    assert found == [Stretch(1.0, 3.1), Stretch(7.0, 8.2)]


def test_a_replay_names_the_faults_of_a_schedule_that_is_gone(tmp_path):
    path = tmp_path / "schedule.toml"
    path.write_text(KILL.format(at="2s", length="2s"))
    first = run(simulated(tmp_path, schedule=str(path), time=6.0))
    path.unlink()
    again = run(load_test(first.folder))
    assert (again.verdict, again.folder.parent.name) == ("valid", "simulated-register-kill_n1")
    assert [row.nodes for row in again.results.faults] == [["n1"]]


def test_a_run_of_one_client_says_how_little_it_shows(tmp_path):
    assert (
        "with one client no two operations were concurrent"
        in run(simulated(tmp_path, clients=1)).results.reason
    )
    assert "one client" not in run(simulated(tmp_path, clients=2)).results.reason
