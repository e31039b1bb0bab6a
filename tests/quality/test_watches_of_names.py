"""Watches of names: notices against an oracle that tries every order of changes, long polls by examples."""

from __future__ import annotations

from itertools import combinations, permutations
from random import Random

import pytest

from quorate.checkers.notices import NoticesAreReliable
from quorate.checkers.polls import SLACK_S, PollsTellTheState
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import History
from quorate.harness.history.event import Event
from tests.quality.test_workloads_simulated import ALL, explain, run

NAMES = ("a", "b")
STEP = 10  # between the versions of changes; what has no answer may stand anywhere between


@pytest.mark.parametrize("name", ["notices", "polls"])
def test_the_correct_system_passes(name):
    for seed in range(1, 6):
        events, results = run(name, seed, faults=ALL if seed % 4 else (), seconds=2.4, rate=200)
        assert {result.verdict for result in results} == {Verdict.VALID}, f"{seed}: {explain(results)}"
        assert {event.f for event in events if event.type == "ok"} >= {
            "set",
            "heed" if name == "notices" else "poll",
        }


# Notices.


def kinds_of(order):
    """Each change with its kind, or None where it could not have happened so: `order` is (version, name, value)."""
    there, found = set(), []
    for version, name, value in order:
        if value is None and name not in there:
            return None
        kind = "deleted" if value is None else "changed" if name in there else "created"
        (there.discard if value is None else there.add)(name)
        found.append((version, name, value, kind))
    return found


def state(order, name, at):
    """(value, version) of a name in a state."""
    last = next((one for one in reversed(order) if one[1] == name and one[0] <= at), None)
    return (None, 0) if last is None or last[2] is None else (last[2], last[0])


def explains(order, once, items):
    """Whether a server on which the changes came in this order may have sent these items."""
    return (one_shot if once else for_good)(order, items)


def fits(order, at, item):
    """Whether an answer is the state that it says, and none before."""
    _, name, value, version, when, _ = item
    return when >= at and (value, version) == state(order, name, when)


def for_good(order, items):
    at, pending = 0, []
    for item in items:
        if item[0] == "set":
            at = item[1]
        elif item[0] == "told":
            pending.append(item[1:])
        else:
            due = [one for one in order if at < one[0] <= item[4]]
            same = all(
                (kind, name) == (one[3], one[1]) and version in {None, one[0]}
                for (kind, name, version), one in zip(pending, due, strict=False)
            )
            if not fits(order, at, item) or len(due) != len(pending) or not same:
                return False
            at, pending = item[4], []
    return True


def one_shot(order, items):
    at, last, armed = 0, 0, {}
    for item in items:
        if item[0] == "told":
            _, kind, name, version = item
            since = armed.pop(name, None)
            first = next(
                (one for one in order if since is not None and one[1] == name and one[0] > since), None
            )
            if (
                first is None
                or first[3] != kind
                or version not in {None, first[0]}
                or first[0] <= max(at, last)
            ):
                return False
            last = first[0]
        else:
            when = item[4]
            passed = any(one[1] in armed and armed[one[1]] < one[0] <= when for one in order)
            if not fits(order, at, item) or last > when or passed:
                return False
            at = when
            if item[5]:
                armed[item[1]] = when
    return True


def orders(sure, maybe):
    """Every order of the sure changes and some of the others, which may stand at any place."""
    places = [version + 5 for version in (0, *(one[0] for one in sure))]
    for count in range(len(maybe) + 1):
        for chosen in combinations(maybe, count):
            for where in ordered(places, count):
                for mixed in set(permutations(chosen)):
                    extra = [(at + where[:n].count(at), *mixed[n]) for n, at in enumerate(where)]
                    found = kinds_of(
                        sorted([*((v, n, x) for v, n, x, _ in sure), *extra], key=lambda one: one[0])
                    )
                    if found is not None and {one for one in found if one[0] % STEP == 0} == set(sure):
                        yield found


def ordered(places, count):
    """Places for so many changes, several at one place if need be."""
    if not count:
        yield ()
        return
    for first, place in enumerate(places):
        for rest in ordered(places[first:], count - 1):
            yield (place, *rest)


def make(rng, opened):
    """Changes that happened, those that are unknown, and what an honest server sends."""
    made, there = [], set()
    for n in range(1, rng.randrange(3, 7)):
        name = rng.choice(NAMES)
        value = None if name in there and rng.random() < 0.4 else n
        (there.discard if value is None else there.add)(name)
        made.append((name, value))
    hidden = set(rng.sample(range(len(made)), min(opened, len(made))))
    order, at = [], 0
    for n, (name, value) in enumerate(made):
        at = (at // STEP + 1) * STEP if n not in hidden else at + 5 if at % STEP == 0 else at + 1
        order.append((at, name, value))
    full = kinds_of(order)
    once, versions = rng.random() < 0.5, rng.random() < 0.5
    # Changes without an answer have no version that any client saw, unless the events carry it.
    return (
        full,
        [one for n, one in enumerate(full) if n not in hidden],
        [made[n] for n in sorted(hidden)],
        once,
        versions,
    )


def send(rng, full, once, versions):
    """The items of a watch while these changes come."""
    items, armed = [], {}
    start = rng.randrange(2)
    at = full[start - 1][0] if start else 0

    def read(name, watched):
        items.append(["read", name, *state(full, name, at), at, watched])
        if watched:
            armed[name] = at

    if once:
        for name in NAMES:
            read(name, True)
    else:
        items.append(["set", at])
    for version, name, _, kind in full[start:]:
        at = version
        if not once or armed.pop(name, None) is not None:
            items.append(["told", kind, name, version if versions else None])
        if rng.random() < 0.6:
            read(name, once and name not in armed)
    for name in NAMES:
        read(name, False)
    return items


def spoil(rng, items):
    """One thing is wrong, perhaps."""
    items = [list(item) for item in items]
    told = [at for at, item in enumerate(items) if item[0] == "told"]
    reads = [at for at, item in enumerate(items) if item[0] == "read"]
    way = rng.randrange(6)
    if way == 0 and told:
        del items[rng.choice(told)]
    elif way == 1 and told:
        at = rng.choice(told)
        items.insert(at + rng.randrange(2), list(items[at]))
    elif way == 2 and told:
        at = rng.choice(told)
        items.insert(min(len(items), at + rng.choice((1, 2))), items.pop(at))
    elif way == 3 and told:
        items[rng.choice(told)][1] = rng.choice(("created", "changed", "deleted"))
    elif way == 4 and told:
        items[rng.choice(told)][2] = rng.choice(NAMES)
    elif way == 5 and len(reads) > 1:
        at = rng.choice(reads)
        items[at][2:5] = items[rng.choice(reads)][2:5]
    if items[-1][0] != "read":  # what comes after the last answer is not judged
        items.append(items.pop(reads[-1]))
    return items


def written(sure, maybe, once, items):
    """The history of one watcher and one client that changes names."""
    events = []

    def add(process, kind, f, key=None, value=None, version=None):
        pair = events[-1].index if kind != "invoke" else None
        at = len(events)
        events.append(
            Event(at, at * 1000, process, kind, f, key, value, version=version, index_of_invoke=pair)
        )

    for version, name, value, kind in sure:
        add(1, "invoke", "set", name, value)
        add(1, "ok", "set", name, kind, version)
    for number, (name, value) in enumerate(maybe):
        add(10 + number, "invoke", "set", name, value)
        add(10 + number, "info", "set", name, value)
    add(2, "invoke", "heed")
    add(2, "ok", "heed", None, {"watch": 1, "once": once, "items": items})
    return History.of(events)


@pytest.mark.parametrize("opened", [0, 1, 2])
def test_notices_against_every_order_of_the_changes(opened):
    """Never an alarm where some order explains all; without open changes, an alarm wherever none does."""
    rng, wrong, found = Random(opened), 0, 0
    for number in range(1500):
        full, sure, maybe, once, versions = make(rng, opened)
        items = send(rng, full, once, versions)
        if number % 3:
            items = spoil(rng, items)
        legal = any(explains(order, once, items) for order in orders(sure, maybe))
        result = NoticesAreReliable().check(written(sure, maybe, once, items), Limits())
        alarm = result.verdict is Verdict.INVALID
        story = f"{number}: {sure} {maybe} once={once} {items}: {explain([result])}"
        assert not (legal and alarm), story
        assert legal or alarm or opened, story
        wrong, found = wrong + (not legal), found + (alarm and not legal)
    assert wrong > 300
    assert found > 0.8 * wrong, f"{found} of {wrong}"


# Polls.

S = 1_000_000_000


class Polled:
    """A history of sets and polls, one thing after the other; `at` is in seconds."""

    def __init__(self):
        self.events = []

    def add(self, at, process, kind, f, key=None, value=None, version=None):
        pair = None
        if kind != "invoke":
            pair = next(e.index for e in reversed(self.events) if (e.process, e.type) == (process, "invoke"))
        index = len(self.events)
        self.events.append(
            Event(index, round(at * S), process, kind, f, key, value, version=version, index_of_invoke=pair)
        )
        return self

    def set(self, at, name, value, version=None, end="ok"):
        self.add(at, 1, "invoke", "set", name, value)
        return self.add(at + 0.01, 1, end, "set", name, None if end == "ok" else value, version)

    def fault(self, at):
        self.events.append(Event(len(self.events), round(at * S), "nemesis", "info", "kill"))
        return self

    def poll(self, at, *answers, key=None, mode="consistent", process=2, seconds=0.2):
        """Each answer: (index asked with, index returned, entries, when asked, when it came), in its seconds."""
        told = [
            {
                "asked": asked, "index": index, "entries": entries, "calls": 0,
                "after_us": round(begun * 1e6), "before_us": round((seconds - came) * 1e6),
            }
            for asked, index, entries, begun, came in answers
        ]  # fmt: skip
        self.add(at, process, "invoke", "poll", key)
        value = {"watch": 1, "mode": mode, "answers": told}
        return self.add(at + seconds, process, "ok", "poll", key, value)

    def result(self):
        return PollsTellTheState().check(History.of(self.events), Limits())


ONE, TWO = {"a": [1, 5]}, {"a": [2, 7]}


def base():
    return Polled().set(0, "a", 1, 5)


@pytest.mark.parametrize(
    ("name", "history"),
    [
        ("", base().poll(1, (0, 5, ONE, 0.01, 0.02)).set(2, "a", 2, 7).poll(3, (5, 7, TWO, 0.01, 0.02))),
        # What lies between two answers may be skipped, an index may go backwards, a stale read is what was asked for.
        ("", base().set(1, "a", 2, 7).poll(2, (5, 9, TWO, 0.0, 0.1), (9, 8, TWO, 0.1, 0.2))),
        ("", base().set(1, "a", 2, 7).poll(2, (0, 5, ONE, 0.0, 0.1), mode="stale")),
        # Within its time an answer may be either state; a change without an answer may have happened or not.
        ("", base().poll(0.995, (0, 5, ONE, 0.0, 0.1)).set(1.2, "a", 2, 7)),
        ("", base().set(1, "a", 2, end="info").poll(2, (0, 7, TWO, 0.0, 0.1)).poll(3, (7, 7, TWO, 0.0, 0.1))),
        ("", base().set(1, "a", 2, end="info").poll(2, (0, 5, ONE, 0.0, 0.1)).poll(3, (5, 5, ONE, 0.0, 0.1))),
        ("stale read", base().set(1, "a", 2, 7).poll(2, (0, 5, ONE, 0.0, 0.1)).poll(3, (5, 7, TWO, 0.0, 0.1))),
        ("lost write", base().set(1, "a", None).poll(2, (0, 5, ONE, 0.0, 0.1)).poll(3, (5, 7, {}, 0.0, 0.1))),
        ("lost write", base().set(1, "a", 2, 7).poll(2, (0, 5, ONE, 0.0, 0.1))),
        ("poll shows what was not written", base().poll(1, (0, 5, {"a": [9, 5]}, 0.0, 0.1))),
        ("poll shows what was not written", base().set(1, "a", 2, end="fail").poll(2, (0, 7, TWO, 0.0, 0.1))),
        ("poll shows what was not written", base().set(1, "a", 2, 7).poll(2, (0, 7, {"a": [1, 7]}, 0.0, 0.1))),
        ("index below what it shows", base().poll(1, (0, 4, ONE, 0.0, 0.1))),
        ("one index, two states", base().poll(1, (0, 7, ONE, 0, 0.1)).set(2, "a", 2, 7).poll(3, (7, 7, TWO, 0, 0.1))),
    ],
)  # fmt: skip
def test_answers_of_polls(name, history):
    result = history.result()
    assert name in {anomaly.name for anomaly in result.anomalies} | {""}, explain([result])
    assert result.verdict == (Verdict.INVALID if name else Verdict.VALID), explain([result])


def silent(*faults, late=SLACK_S + 3.0):
    """A poll sees a = 1 and hears nothing of a = 2, though it is read again and again until `late`."""
    history = base()
    events = [(at, "fault") for at in faults] + [
        (2.0, "set"),
        *((at, "poll") for at in (1.0, 3.0, 4.0, late)),
    ]
    for at, what in sorted(events):
        if what == "fault":
            history.fault(at)
        elif what == "set":
            history.set(at, "a", 2, 7)
        else:
            history.poll(at, *([(0, 5, ONE, 0.0, 0.1)] if at == 1.0 else []))
    return history.result()


def test_a_poll_that_waits_must_be_told_of_a_change():
    found = silent()
    assert [anomaly.name for anomaly in found.anomalies] == ["lost write"], explain([found])
    assert "p2" in found.anomalies[0].sentence
    assert found.anomalies[0].culprit in {event.index for event in base().events} | set(range(20))


def test_silence_is_nothing_before_its_time_or_while_something_is_broken():
    assert silent(late=4.5).verdict is Verdict.VALID
    assert silent(1.5, 1.8).verdict is Verdict.VALID, "asked before the fault"
    assert silent(0.5).verdict is Verdict.INVALID, "asked after the last heal"


def test_nothing_told_proves_nothing():
    assert base().poll(1).result().verdict is Verdict.UNKNOWN
    assert NoticesAreReliable().check(written([], [], False, []), Limits()).verdict is Verdict.UNKNOWN
    behind = written(
        [(10, "a", 1, "created"), (20, "a", 2, "changed")],
        [],
        False,
        [["set", 0], ["told", "created", "a", 10]],
    )
    assert "came as far" in NoticesAreReliable().check(behind, Limits()).reason
