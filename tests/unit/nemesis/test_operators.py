"""Operators' actions, staged walks and triggers: what is refused, what is drawn, and that each is proved and healed."""

from __future__ import annotations

import asyncio
import itertools
from random import Random
from types import SimpleNamespace

import pytest

from quorate import Test, run
from quorate.harness.cluster.network import EnteredNetwork
from quorate.harness.core.fault import Scene, make
from quorate.harness.core.settings import read
from quorate.harness.core.test import UsageError
from quorate.harness.run import prepare
from quorate.nemesis.aftermath import Aftermath, AftermathSettings, delay
from quorate.nemesis.kill import Kill
from quorate.nemesis.pause import Pause
from quorate.nemesis.staged import drawn
from quorate.nemesis.triggers import Trigger


def simulated(tmp_path, faults, seed=3, **settings):
    test = Test(
        system="simulated",
        faults=faults,
        time=30.0,
        fault_interval=4.0,
        nodes=5,
        seed=seed,
        store=str(tmp_path),
        settings={key.replace("_", "."): value for key, value in settings.items()},
    )
    return run(test)


@pytest.mark.parametrize("fault", ["defragment", "compact", "moveleader"])
def test_a_system_without_the_action_is_wrong_usage(fault):
    with pytest.raises(UsageError, match=f"{fault}: simulated has no such action"):
        prepare(Test(system="simulated", faults=(fault,)))


@pytest.mark.parametrize("fault", ["defragment", "compact", "moveleader", "restart", "staged"])
def test_etcd_has_them_all(fault):
    prepare(Test(system="etcd@3.5.16", faults=(fault,)))


def test_every_walk_leaves_a_majority_alive():
    for seed in range(300):
        for count in (3, 4, 5, 7):
            names = [f"n{number}" for number in range(1, count + 1)]
            down: set[str] = set()
            for step in drawn(names, Random(seed), steps=12, how=("kill", "pause"), pace_s=None):
                down.discard(step["up"])
                if step["down"] not in ("", "leader"):
                    down.add(step["down"])
                assert len(down) <= (count - 1) // 2
                assert 0.05 <= step["wait_s"] <= 2.0


def test_a_walk_is_decided_by_the_seed_and_every_kind_of_step_comes():
    names = ["n1", "n2", "n3"]
    walks = [drawn(names, Random(seed), steps=8, how=("kill", "pause"), pace_s=None) for seed in range(30)]
    assert walks == [
        drawn(names, Random(seed), steps=8, how=("kill", "pause"), pace_s=None) for seed in range(30)
    ]
    steps = [step for walk in walks for step in walk]
    assert {(bool(step["up"]), bool(step["down"])) for step in steps} >= {
        (True, True),
        (True, False),
        (False, True),
    }
    assert {step["how"] for step in steps} == {"kill", "pause"}
    assert any(step["down"] == "leader" for step in steps)


def test_a_staged_walk_is_proved_and_healed(tmp_path):
    done = simulated(tmp_path, ("staged",))
    assert done.verdict == "valid", done.results.reason
    rows = [row for row in done.results.faults if row.fault == "staged"]
    assert rows
    for row in rows:
        assert row.outcome == "ok", row
        assert row.proof.data["falls"] >= 2
        assert 1 <= row.proof.data["most_down"] <= 2
        assert row.healed_proof.holds
    assert done.results.deaths == []


def test_a_rolling_restart_goes_over_all_and_is_healed(tmp_path):
    done = simulated(tmp_path, ("restart",))
    assert done.verdict == "valid", done.results.reason
    rows = [row for row in done.results.faults if row.fault == "restart"]
    assert {step.node for step in rows[0].steps} == {f"n{number}" for number in range(1, 6)}


def test_a_restart_with_a_kill_leaves_its_last_server_dead_until_the_healing(tmp_path):
    done = simulated(tmp_path, ("restart:n2",), restart_then="kill", restart_after="100ms")
    row = next(row for row in done.results.faults if row.fault == "restart")
    assert row.outcome == "ok"
    assert row.proof.text.endswith("kill 100 ms after it began: n2 dead")
    assert row.healed_proof.holds


def test_delays_are_drawn_over_three_decades():
    drawn_s = [delay(Random(seed)) for seed in range(400)]
    assert min(drawn_s) < 0.003
    assert max(drawn_s) > 0.6
    assert all(0.001 <= one <= 1 for one in drawn_s)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"x.then": "explode"}, "x.then=explode"),
        ({"x.after": "1h"}, "x.after"),
    ],
)
def test_an_aftermath_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        read(AftermathSettings, settings, prefix="x.")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kill.after": "1s"}, "kill.on"),
        ({"kill.on": "x", "kill.within": "1h"}, "kill.within"),
        ({"kill.on": "x", "kill.after": "1h"}, "kill.after"),
        ({"kill.on": "x", "kill.heard": "all"}, "kill.heard"),
    ],
)
def test_a_trigger_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        make("kill", settings)


def test_kill_and_pause_have_triggers_of_their_own():
    assert {"kill.on", "kill.after", "kill.heard"} <= set(Kill.described())
    assert {"pause.on", "pause.after", "pause.heard"} <= set(Pause.described())
    given = {"pause.on": "x", "pause.after": "200ms", "pause.heard": "any", "kill.on": "y"}
    trigger = Trigger(read(Pause.settings_type, given, prefix="pause."))
    assert trigger.told == ', 200 ms after "x" in a server\'s log'


@pytest.mark.parametrize(
    "settings", [{"staged.how": "explode"}, {"staged.steps": "1"}, {"staged.pace": "1h"}]
)
def test_a_walk_that_makes_no_sense_is_refused(settings):
    with pytest.raises(UsageError, match=next(iter(settings))):
        make("staged", settings)


def simulated_scene():
    """A scene whose network has no packet filter."""
    return Scene(SimpleNamespace(network=object(), nodes=()), SimpleNamespace())


def test_what_comes_after_is_drawn_from_what_the_network_can():
    drawn = Aftermath(AftermathSettings(then="any"))
    ways = {drawn.drawn(simulated_scene(), Random(seed)).get("then") for seed in range(40)}
    assert ways == {None, "kill", "pause"}
    filtered = Scene(SimpleNamespace(network=EnteredNetwork([]), nodes=()), SimpleNamespace())
    ways = {drawn.drawn(filtered, Random(seed)).get("then") for seed in range(40)}
    assert ways == {None, "kill", "pause", "partition"}
    with pytest.raises(UsageError, match="then=partition"):
        Aftermath(AftermathSettings(then="partition")).check(simulated_scene())


def test_channels_are_those_of_the_system():
    zookeeper = SimpleNamespace(name="zookeeper", channels={"data": (2888,), "election": (3888,)})
    one = make("channel", {})
    one.suits(zookeeper)
    drawn = [one.detail(Random(seed)) for seed in range(20)]
    assert {(each["channel"], *each["ports"]) for each in drawn} == {("data", 2888), ("election", 3888)}
    with pytest.raises(UsageError, match="rpc: unknown"):
        make("channel", {"channel.name": "rpc"}).suits(zookeeper)
    with pytest.raises(UsageError, match="one kind of connection"):
        one.suits(SimpleNamespace(name="etcd", channels={}))


def test_without_an_aftermath_nothing_is_waited_for():
    none = Aftermath(AftermathSettings())
    assert none.drawn(simulated_scene(), Random(1)) == {}
    assert not none.kills
    assert not none.strikes
    assert asyncio.run(none.seen(None, type("P", (), {"detail": {}}), ["n1"])) == (True, "")


def overlapping(tmp_path, seed, **more):
    test = Test(
        system="simulated",
        faults=("kill:minority", "pause:minority", "partition:minority"),
        time=30.0,
        rate=60.0,
        fault_interval=2.0,
        nodes=5,
        seed=seed,
        store=str(tmp_path),
        settings={"overlap": "yes", **more},
    )
    return run(test).results


def longest_majority_s(rows):
    """Seconds for which the nodes of faults in force made a majority of five, at the longest."""
    edges = sorted({edge for row in rows for edge in (row.injected_s, row.heal_began_s)})
    longest = spell = 0.0
    for begin, end in itertools.pairwise(edges):
        held = {
            node for row in rows if row.injected_s <= begin and row.heal_began_s >= end for node in row.nodes
        }
        spell = spell + end - begin if len(held) >= 3 else 0.0
        longest = max(longest, spell)
    return longest


def test_overlapping_faults_hold_no_majority_unless_asked_to(tmp_path):
    spared = [overlapping(tmp_path, seed) for seed in range(2)]
    wild = [overlapping(tmp_path, seed, **{"overlap.majority": "yes"}) for seed in range(2)]
    assert max(longest_majority_s(found.faults) for found in spared) == 0.0
    assert max(longest_majority_s(found.faults) for found in wild) > 1.0
    for found in spared:
        assert found.verdict == "valid", found.reason
        assert all(row.healed_s is not None for row in found.faults)
    assert sum(found.statistics.ok for found in spared) > sum(found.statistics.ok for found in wild)
