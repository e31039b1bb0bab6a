"""Tuning: what is drawn, for which release, and where it is reported."""

from __future__ import annotations

from random import Random

import pytest

from quorate.harness.core.settings import read
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import Test, UsageError
from quorate.harness.core.tuning import drawn, knob
from quorate.harness.run import prepare
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.etcd.server import flags
from quorate.harness.systems.etcd.server.settings import EtcdSettings

KNOBS = (knob("a", "1", "", "2", "3"), knob("b", "9", "7", "8", since=(3, 5, 14)))
OLD, NEW = (3, 5, 1), (3, 6, 0)


def draw(kind, releases=(NEW,), seed=1, **given):
    return drawn(kind, KNOBS, releases=list(releases), given=given, rng=Random(seed))


def test_default_changes_nothing_and_small_sets_all():
    assert draw("default") == {}
    assert draw("small") == {"a": "1", "b": "9"}


def test_random_depends_on_the_seed_and_varies():
    seen = [draw("random", seed=seed) for seed in range(40)]
    assert seen == [draw("random", seed=seed) for seed in range(40)]
    assert {found.get("a") for found in seen} == {None, "2", "3"}
    assert {found["b"] for found in seen} == {"7", "8"}


def test_what_is_given_stays_and_shifts_nothing():
    for seed in range(20):
        assert draw("random", seed=seed, a="5").get("b") == draw("random", seed=seed)["b"]
    assert "a" not in draw("small", a="5")


def test_a_flag_that_a_release_lacks_is_not_drawn():
    assert draw("small", releases=(OLD,)) == {"a": "1"}
    assert draw("small", releases=(NEW, OLD)) == {"a": "1"}
    assert draw("small", releases=()) == {"a": "1"}  # a user's own binary: nothing is known


def test_an_unknown_kind_is_refused():
    with pytest.raises(UsageError, match="tuning=tiny"):
        Etcd(SystemOptions(settings={"tuning": "tiny"}))


def test_a_flag_that_the_release_lacks_is_wrong_usage_before_the_start():
    with pytest.raises(UsageError, match=r"etcd 3\.5\.1 has no such flag; it came with 3\.5\.14"):
        prepare(Test(system="etcd@3.5.1", settings={"catchup_entries": "50"}))
    prepare(Test(system="etcd@3.5.16", settings={"catchup_entries": "50", "compaction_sleep": "1s"}))


@pytest.mark.parametrize(
    "system", ["etcd@3.4.23", "etcd@3.5.1", "etcd@3.7.3", "consul@1.8.7", "zookeeper@3.8.0"]
)
@pytest.mark.parametrize("kind", ["small", "random"])
def test_what_is_drawn_makes_a_system_of_every_release(system, kind):
    found = [prepare(Test(system=system, seed=seed, settings={"tuning": kind})).tuning for seed in range(30)]
    assert all(found) if kind == "small" else any(found)
    if kind == "random":
        assert len({tuple(sorted(one.items())) for one in found}) > 10


def test_the_simulated_system_has_nothing_to_tune():
    with pytest.raises(UsageError, match="tuning"):
        prepare(Test(system="simulated", settings={"tuning": "small"}))


def test_flags_of_a_release():
    place = flags.Place("n1", "10.0.0.1", "/etcd", "/data")
    settings = read(
        EtcdSettings, {"catchup_entries": "9", "compaction_sleep": "2s", "backend_interval": "1s"}
    )

    def argv(*release):
        return flags.arguments(place, [place], release, settings, token="t")

    assert "--backend-batch-interval=1000ms" in argv(3, 5, 1)
    assert not [flag for flag in argv(3, 5, 1) if "catchup" in flag or "sleep" in flag]
    assert "--experimental-snapshot-catchup-entries=9" in argv(3, 5, 14)
    assert "--experimental-compaction-sleep-interval=2000ms" in argv(3, 5, 16)
    assert "--compaction-sleep-interval=2000ms" in argv(3, 7, 3)


def test_every_knob_is_a_setting_of_its_system():
    system = Etcd(SystemOptions(release="3.7.3"))
    assert {name for one in system.knobs for name in one.settings} <= set(system.described())
