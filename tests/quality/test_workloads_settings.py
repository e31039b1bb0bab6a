"""Settings of workloads: documented, checked, and they do what they say."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from quorate.harness.core import registry
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import UsageError
from quorate.harness.core.workload import WorkloadOptions
from quorate.harness.generators import Context, imperfect, limit, simulate
from quorate.harness.history.event import Event, Type
from quorate.harness.run.side_by_side import side_by_side
from quorate.workloads.keyed import patient
from quorate.workloads.part import Part

NAMES = (
    "agents", "append", "counter", "discovery", "lock", "notices", "polls", "queue", "register", "rw", "set",
)  # fmt: skip


def make(name: str, clients: int = 6, **settings: str):
    part: Part = registry.find("workloads", name)
    return part(WorkloadOptions(clients=clients, nodes=3, time_s=10, rng=Random(1), settings=settings))


def stream(name: str, operations: int = 2000, **settings: str):
    events = simulate(limit(operations, make(name, **settings).operations), clients=6)
    return [event for event in events if event.type == "invoke"]


@pytest.mark.parametrize("name", NAMES)
def test_every_workload_is_registered_and_documented(name):
    part = registry.find("workloads", name)
    assert part.name == name
    assert part.summary.endswith(".")
    assert "Sees:" in part.__doc__
    assert "Cannot see:" in part.__doc__
    assert all(len(text) > 20 for text in part.described().values())
    workload = make(name)
    assert workload.name == name
    assert workload.must_hold
    assert workload.needs
    tried = {event.f for event in stream(name)}
    assert set(workload.functions) <= tried | {"release"}  # no release where no acquire is known to be ok


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_operations(name):
    assert stream(name) == stream(name)


def test_foreign_settings_are_somebody_elses():
    make("register", reads="serializable")


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("register", "read_share", "1.5"),
        ("register", "cas_share", "much"),
        ("register", "ops_per_key", "0"),
        ("queue", "keys", "-1"),
        ("append", "max_length", "2.5"),
    ],
)
def test_an_impossible_value_is_named(name, key, value):
    with pytest.raises(UsageError, match=f"--set {key}={value}: give a "):
        make(name, **{key: value})


def test_shares_and_keys():
    events = stream("register", read_share="0.8", cas_share="0", ops_per_key="50", threads_per_key="3")
    kinds = Counter(event.f for event in events)
    assert "cas" not in kinds
    assert 0.75 < kinds["read"] / len(events) < 0.85
    per_key = Counter(event.key for event in events)
    assert max(per_key.values()) == 50
    assert sum(count < 50 for count in per_key.values()) <= 2  # cut off by the limit
    assert len({event.process for event in events if event.key == "k0"}) == 3
    assert len(stream("register", keys="4", ops_per_key="50")) == 200
    assert (
        max(event.value for event in stream("register", unique="false", cas_share="0") if event.f == "write")
        < 5
    )


def test_transactions_name_each_written_key_once_and_leave_keys():
    for name, write in (("append", "append"), ("rw", "w")):
        events = stream(name, writes_per_key="10", active_keys="3")
        written = Counter()
        for event in events:
            own = [key for f, key, _ in event.value if f == write]
            assert len(own) == len(set(own))
            written.update(own)
            assert 1 <= len(event.value) <= 8
        assert max(written.values()) == 10
        assert len(written) > 50
    for event in stream("rw"):
        seen = set()
        for f, key, _ in event.value:
            assert f == "r" or key in seen, "a write without a read before it"
            seen.add(key)


def test_who_holds_a_lock_only_releases_it_before_the_key_is_left():
    """Also side by side with another workload, where operations carry the workload's name."""
    own = make("lock", acquires_per_key="9")
    plans = (own, side_by_side([(own, 4), (make("register"), 2)]))
    for plan, prefix in zip(plans, ("", "lock/"), strict=True):
        events = simulate(limit(3000, plan.operations), clients=6, perform=imperfect, seed=2)
        holds: dict[int | str, str] = {}
        left_held = 0
        for event in events:
            if not event.f.startswith(prefix) or event.f.startswith("register"):
                continue
            f = event.f.removeprefix(prefix)
            if event.type == "invoke":
                assert (f == "release") == (event.process in holds)
                assert holds.get(event.process, event.key) == event.key
            elif event.type == "info":
                left_held += holds.pop(event.process, None) is not None
            elif event.type == "ok":
                if f == "acquire":
                    holds[event.process] = event.key
                else:
                    del holds[event.process]
        assert left_held > 10
        assert len({event.key for event in events if event.f == f"{prefix}acquire"}) > 20


@pytest.mark.parametrize(("name", "gives_back"), [("lock", "release"), ("election", "resign")])
def test_a_refused_return_is_asked_again(name, gives_back):
    """Else it would be lost with the client's session some time later, unseen by the history."""
    refused = 0

    def perform(invocation, draws):
        return 1_000_000, Type.FAIL if invocation.f == gives_back and draws.below(3) else Type.OK

    events = simulate(make(name).operations, clients=6, perform=perform, events_max=20_000)
    for process in {event.process for event in events}:
        own = [event for event in events if event.process == process]
        for end, following in pairwise(own):
            if end.type == Type.FAIL:
                refused += 1
                assert (following.type, following.f, following.key) == (Type.INVOKE, gives_back, end.key)
    assert refused > 20


@pytest.mark.parametrize("name", ["register", "set", "counter"])
@pytest.mark.parametrize("end", ["info", "fail"])
def test_patient_clients_only_read_until_they_are_answered(name, end):
    """Threads 0 and 3 are of one node, 1 and 4 of the next: the first of each is patient, the second is not."""
    silent = {0, 1, 3}
    plan = make(name, ops_per_key="7", patient_share="0.6").operations
    processes = list(range(6))
    ctx = Context(time_ns=0, free=(1 << 6) - 1, everyone=(1 << 6) - 1, processes=processes, clients=6)
    tried: dict[int, list[str]] = {thread: [] for thread in range(6)}
    for n in range(1200):
        if n == 900:
            silent = set()
        ctx.time_ns, ctx.cursor = n, n % 6
        decision, plan = plan.next(ctx)
        invocation, thread = decision.invocation, decision.thread
        tried[thread].append(invocation.f)
        kind = end if thread in silent else "ok"
        error = ["unread" if end == "fail" else "timeout", "no answer"] if thread in silent else None
        plan = plan.update(
            ctx,
            Event(n, n, processes[thread], kind, invocation.f, invocation.key, invocation.value, error=error),
        )
        if kind == "info":
            processes[thread] += 6  # retired: its successor is as patient
    for thread in (0, 1):
        assert set(tried[thread][1:150]) == {"read"}
        assert len(set(tried[thread][152:])) > 1, "answered again, it does everything again"
    for thread in (2, 3, 4, 5):
        assert len(set(tried[thread][1:150])) > 1


@pytest.mark.parametrize(("f", "code", "waits"), [("cas", "mismatch", False), ("cas", "unread", True)])
def test_a_refusal_that_tells_the_value_is_an_answer(f, code, waits):
    plan = make("register", patient_share="1", read_share="0").operations
    ctx = Context(time_ns=0, free=1, everyone=(1 << 6) - 1, processes=list(range(6)), clients=6)
    decision, plan = plan.next(ctx)
    text = "unread" if waits else "answered: the value is another"
    plan = plan.update(ctx, Event(0, 1, 0, "fail", f, decision.invocation.key, [1, 2], error=[code, text]))
    assert (plan.next(ctx)[0].invocation.f == "read") == waits


def test_who_is_patient_is_spread():
    for nodes in (1, 3, 5):
        chosen = [patient(thread, nodes, 0.6) for thread in range(30 * nodes)]
        assert all(chosen[:nodes]), "one of each node first"
        assert 0.5 < sum(chosen) / len(chosen) < 0.7
        assert not any(patient(thread, nodes, 0.0) for thread in range(30))
        assert all(patient(thread, nodes, 1.0) for thread in range(30))


def test_watch_is_the_workload_of_the_watches_that_a_system_has():
    part = registry.find("workloads", "watch")
    guarantees = {
        "etcd": "watches-are-reliable", "zookeeper": "notices-are-reliable", "consul": "polls-tell-the-state",
    }  # fmt: skip
    for system, guarantee in guarantees.items():
        client = registry.find("systems", system)(SystemOptions(settings={})).client_type
        options = WorkloadOptions(clients=8, nodes=3, time_s=10, rng=Random(1), settings={}, client=client)
        made = part(options)
        assert made.name == "watch"
        assert [checker.name for checker in made.must_hold] == [guarantee]
        assert all(issubclass(client, need) for need in made.needs)
    assert {"span", "once_share", "one_share"} <= set(part.described())
