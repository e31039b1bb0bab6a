"""When faults happen."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import pytest

from quorate.harness.core.test import UsageError
from quorate.harness.generators import Context, Offer, Pending
from quorate.harness.history.event import Event
from quorate.nemesis import FaultSpec
from quorate.nemesis.exact import read_schedule
from quorate.nemesis.timetable import Entry, Timetable, mixed

SPECS = [FaultSpec("partition", "leader"), FaultSpec("kill", "any"), FaultSpec("pause", "one")]
S = 1_000_000_000


def decided(
    seed: int, *, time_s: float = 60, interval_s: float = 5, overlap: bool = False
) -> tuple[Entry, ...]:
    return mixed(SPECS, interval_s=interval_s, time_s=time_s, rng=Random(seed), overlap=overlap)


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("time_s", [6, 10, 30, 300])
def test_a_mix_is_quiet_first_then_one_at_a_time_each_once_and_healed_at_the_end(seed: int, time_s: float):
    entries = decided(seed, time_s=time_s)
    assert entries[0].at_ns >= min(5, 0.1 * time_s) * S * 0.999
    assert entries[-1].at_ns <= time_s * S
    assert [entry.action for entry in entries] == ["inject", "heal"] * (len(entries) // 2)
    for inject, heal in zip(entries[::2], entries[1::2], strict=True):
        assert inject.fault == heal.fault
    assert {entry.fault for entry in entries[: 2 * len(SPECS)]} == {"partition", "kill", "pause"}
    assert all(one.at_ns < other.at_ns for one, other in itertools.pairwise(entries))


def test_a_long_run_keeps_the_interval_on_average():
    entries = decided(1, time_s=1000)
    assert 4.5 < (entries[-1].at_ns - entries[0].at_ns) / S / (len(entries) - 1) < 5.5


def test_the_seed_decides():
    assert decided(1) == decided(1)
    assert decided(1) != decided(2)


@pytest.mark.parametrize("seed", range(20))
def test_overlapping_faults_never_overlap_themselves(seed: int):
    entries = decided(seed, overlap=True)
    in_force: set[str] = set()
    together = 0
    for entry in entries:
        if entry.action == "heal":
            in_force.remove(entry.fault)
        else:
            assert entry.fault not in in_force
            in_force.add(entry.fault)
        together = max(together, len(in_force))
    assert together > 1
    assert not in_force


def context(time_ns: int) -> Context:
    return Context(time_ns=time_ns, free=2, everyone=2, processes=[0], clients=1)


def test_entries_are_given_out_when_due():
    table = Timetable((Entry(5 * S, "kill", "inject", "one"),))
    waiting, same = table.next(context(0)) or pytest.fail("exhausted")
    assert waiting == Pending(5 * S)
    offer, after = same.next(context(5 * S)) or pytest.fail("exhausted")
    assert isinstance(offer, Offer)
    assert (offer.invocation.f, offer.invocation.value) == ("kill", {"action": "inject", "target": "one"})
    assert after.next(context(6 * S)) is None


def test_what_took_long_to_inject_still_stays_in_force_for_a_while():
    table = Timetable(
        (
            Entry(1 * S, "kill", "inject", "one"),
            Entry(4 * S, "kill", "heal", "one", hold_ns=2 * S),
        )
    )
    _, table = table.next(context(1 * S)) or pytest.fail("exhausted")
    table = table.update(context(5 * S), Event(1, 5 * S, "nemesis", "ok", "kill"))
    waiting, _ = table.next(context(5 * S)) or pytest.fail("exhausted")
    assert waiting == Pending(7 * S)


def test_what_would_begin_after_its_own_healing_was_due_is_left_out():
    entries = (
        Entry(1 * S, "kill", "inject", "one", latest_ns=2 * S),
        Entry(2 * S, "kill", "heal", "one"),
        Entry(3 * S, "pause", "inject", "one", latest_ns=9 * S),
        Entry(9 * S, "pause", "heal", "one"),
    )
    table = Timetable(entries, {"kill": 0})
    offer, rest = table.next(context(5 * S)) or pytest.fail("exhausted")
    assert isinstance(offer, Offer)
    assert (offer.invocation.f, offer.invocation.value["action"]) == ("pause", "inject")
    assert isinstance(rest, Timetable)
    assert rest.entries == entries[3:]
    assert Timetable(entries).next(context(99 * S)) is None
    # One that has not come yet and will not come again is taken late, while others are still to come.
    offer, rest = Timetable(entries).next(context(5 * S)) or pytest.fail("exhausted")
    assert isinstance(offer, Offer)
    assert (offer.invocation.f, offer.invocation.value["action"]) == ("kill", "inject")
    assert isinstance(rest, Timetable)
    assert rest.entries == entries[1:]


def write(folder: Path, text: str) -> Path:
    path = folder / "schedule.toml"
    path.write_text(text)
    return path


def test_a_schedule_file(tmp_path: Path):
    specs, entries = read_schedule(
        write(
            tmp_path,
            """
            [[fault]]
            at = "5s"
            for = "3s"
            fault = "partition"
            target = "leader"
            [[fault]]
            at = 6
            for = "500ms"
            fault = "kill"
            nodes = ["n2"]
            """,
        )
    )
    assert specs == [FaultSpec("partition", "leader"), FaultSpec("kill", "any")]
    assert [(entry.at_ns / S, entry.fault, entry.action) for entry in entries] == [
        (5, "partition", "inject"),
        (6, "kill", "inject"),
        (6.5, "kill", "heal"),
        (8, "partition", "heal"),
    ]
    assert entries[1].plan is not None
    assert entries[1].plan.nodes == ("n2",)


GOOD = 'at = "1s"\nfor = "2s"\nfault = "kill"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"at least one \[\[fault\]\]"),
        ("[[fault]", "not valid TOML"),
        (f'[[fault]]\n{GOOD}tarjet = "one"', 'did you mean "target"'),
        (f"colour = 1\n[[fault]]\n{GOOD}", 'unknown key "colour"'),
        ('[[fault]]\nat = "1s"\nfor = "2s"\nfault = "kil"', 'fault 1: unknown fault "kil"'),
        ('[[fault]]\nat = "soon"\nfor = "2s"\nfault = "kill"', '"soon" is not a duration'),
        ('[[fault]]\nfor = "2s"\nfault = "kill"', "at = "),
        ('[[fault]]\nat = "1s"\nfor = "0s"\nfault = "kill"', "must be positive"),
        (f"[[fault]]\n{GOOD}[[fault]]\n{GOOD}", "still in force"),
    ],
)
def test_a_wrong_schedule_names_what_is_wrong(tmp_path: Path, text: str, words: str):
    with pytest.raises(UsageError, match=words):
        read_schedule(write(tmp_path, text))


def test_a_missing_schedule(tmp_path: Path):
    with pytest.raises(UsageError, match="cannot read the schedule"):
        read_schedule(tmp_path / "none.toml")
