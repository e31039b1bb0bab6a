"""Lists against a replay: each kind of contradiction by hand, and thousands of random histories against an oracle."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from quorate.checkers.changes import acknowledged, listed
from quorate.checkers.snapshots import ListsAreSnapshots
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import History
from quorate.harness.history.event import Event


class Script:
    """Operations one after the other, each a separate process."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def do(self, f, key=None, asked=None, end="ok", value=None, version=None, error=None):
        index, process = len(self.events), len(self.events) // 2
        self.events.append(Event(index, index * 10, process, "invoke", f, key, asked))
        self.events.append(
            Event(
                index + 1,
                index * 10 + 5,
                process,
                end,
                f,
                key,
                value,
                version=version,
                error=error,
                index_of_invoke=index,
            )
        )
        return self

    def put(self, name, value, guard, revision):
        return self.do("put", name, value, value=[value, guard], version=revision)

    def delete(self, name, guard, revision):
        return self.do("delete", name, value=[None, guard], version=revision)

    def list(self, at, *objects):
        return self.do("list", value={"at": at, "objects": [list(each) for each in objects]}, version=at)

    def lost(self, f, name, value=None):
        return self.do(f, name, value, end="info", value=value, error=["timeout", ""])

    def conflict(self, f, name, value, seen, revision):
        return self.do(f, name, value, "fail", seen, revision, ["conflict", ""])

    def watch(self, start, *messages):
        return self.do("watch", value={"from": start, "messages": [list(each) for each in messages]})

    def judge(self):
        return ListsAreSnapshots().check(History.of(self.events), Limits(time_s=5))


A2, A5, B3 = ("a", 1, 2), ("a", 3, 5), ("b", 2, 3)


def base() -> Script:
    """a = 1 at revision 2, b = 2 at 3, a deleted at 4, a = 3 at 5."""
    return Script().put("a", 1, 0, 2).put("b", 2, 0, 3).delete("a", 2, 4).put("a", 3, 0, 5)


@pytest.mark.parametrize(
    ("at", "objects"),
    [(1, []), (2, [A2]), (3, [A2, B3]), (4, [B3]), (5, [A5, B3]), (9, [A5, B3])],
)
def test_a_list_of_any_revision_is_the_state_at_it(at, objects):
    assert base().list(at, *objects).judge().verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("list is no snapshot", base().list(5, B3)),
        ("list is no snapshot", base().list(5, A2, B3)),
        ("list is no snapshot", base().list(3, A2)),
        ("list is no snapshot", base().list(4, A2, B3)),
        ("list shows its future", base().list(4, A5, B3)),
        ("list out of order", base().list(5, B3, A5)),
        ("list out of order", base().list(5, A5, A5, B3)),
        ("one revision, two changes", base().list(9, ("a", 7, 5), B3)),
        ("made by nobody", base().list(9, ("a", 7, 8), B3)),
        ("made in the past", Script().list(2, A2).put("a", 1, 0, 2)),
        ("made in the past", Script().list(3).put("a", 1, 0, 2)),
        ("made twice", base().list(9, ("a", 3, 8), B3)),
        ("refused and made", base().conflict("put", "a", 7, [3, 5], 6).list(9, ("a", 7, 8), B3)),
        ("refusal is no snapshot", base().conflict("put", "a", 7, [1, 2], 6).list(5, A5, B3)),
        ("list is no snapshot", base().conflict("put", "a", 7, [None, 0], 6).list(5, A5, B3)),
        ("guard not kept", base().put("a", 4, 2, 6).list(6, ("a", 4, 6), B3)),
        ("list is no snapshot", base().put("a", 4, 0, 6).list(6, ("a", 4, 6), B3)),
        ("list is no snapshot", base().watch(6, [6, [["a", None, 6]]]).list(6, A5, B3)),
        ("list is no snapshot", base().list(5, B3).lost("delete", "a")),
        ("list is no snapshot", base().lost("delete", "b").list(5, B3)),
        (
            "list is no snapshot",
            base().lost("delete", "a").list(6, B3).put("a", 4, 0, 7).list(8, B3),
        ),
    ],
)
def test_each_contradiction_is_named(name, script):
    result = script.judge()
    assert result.verdict is Verdict.INVALID
    assert result.anomalies[0].name == name, result.anomalies[0].sentence
    assert result.anomalies[0].sentence
    assert len(result.anomalies[0].events) >= 2
    # That one deletion cannot explain two losses is counted by the checker alone.
    counted = sum(event.f == "list" and event.type == "ok" for event in script.events) > 1
    assert counted or result.confirmed_by == "definitions", result.stats


@pytest.mark.parametrize(
    "script",
    [
        base().lost("delete", "a").list(6, B3),
        base().lost("delete", "a").put("a", 4, 0, 7).list(7, ("a", 4, 7), B3),
        base().lost("delete", "a").lost("delete", "a").list(6, B3).put("a", 4, 0, 7).list(8, B3),
        base().lost("put", "a", 9).list(6, ("a", 9, 6), B3),
        base().lost("put", "a", 9).list(6, A5, B3),
        base().conflict("put", "a", 7, [3, 5], 6).list(6, A5, B3),
        base().watch(6, [6, [["a", None, 6]]]).lost("delete", "a").list(6, B3),
    ],
)
def test_what_nobody_saw_end_may_have_happened(script):
    result = script.judge()
    assert result.verdict is Verdict.VALID, [each.sentence for each in result.anomalies]


def test_nothing_listed_proves_nothing():
    assert Script().put("a", 1, 0, 2).judge().verdict is Verdict.UNKNOWN


class Service:
    """A correct service, with a client that knows what replies have shown, and loses some of its answers."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.script = Script()
        self.revision = 1
        self.state: dict[str, tuple[int, int]] = {}
        self.past: dict[int, dict[str, tuple[int, int]]] = {1: {}}
        self.known: dict[str, int] = {}

    def list(self) -> None:
        old = self.rng.random() < 0.3
        at = self.rng.randint(1, self.revision) if old else self.revision
        self.script.list(at, *((name, *self.past[at][name]) for name in sorted(self.past[at])))
        if not old:
            self.known = {name: revision for name, (_, revision) in self.state.items()}

    def change(self, kind: str, name: str, value: int | None) -> None:
        guard = self.known.get(name, 0)
        now = self.state.get(name, (None, 0))
        if kind == "delete" and not guard:
            return
        if self.rng.random() < 0.35:
            if now[1] == guard and self.rng.random() < 0.7:
                self.make(name, value)
            self.script.lost(kind, name, value)
        elif now[1] != guard:
            self.script.conflict(kind, name, value, list(now), self.revision)
            self.known[name] = now[1]
        else:
            self.make(name, value)
            if value is None:
                self.script.delete(name, guard, self.revision)
            else:
                self.script.put(name, value, guard, self.revision)
            self.known[name] = 0 if value is None else self.revision

    def make(self, name: str, value: int | None) -> None:
        self.revision += 1
        if value is None:
            del self.state[name]
        else:
            self.state[name] = (value, self.revision)
        self.past[self.revision] = dict(self.state)


def random_history(rng: Random) -> Script:
    service = Service(rng)
    for value in range(1, rng.randint(5, 11)):
        name, kind = rng.choice("ab"), rng.choice(["put", "put", "delete", "list"])
        if kind == "list":
            service.list()
        else:
            service.change(kind, name, value if kind == "put" else None)
    service.list()
    if rng.random() < 0.6:
        spoil(service.script, rng, service.revision)
    return service.script


def guards_are_told(events: list[Event]) -> bool:
    """Whether each revision compared with stands in some reply, as it does where clients know what they saw."""
    told = {change.revision for source in (acknowledged, listed) for change in source(events)}
    done = [event for event in events if event.type == "ok" and event.f in {"put", "delete"}]
    return all(event.value[1] in told | {0} for event in done)


def spoil(script: Script, rng: Random, revision: int) -> None:
    lists = [i for i, event in enumerate(script.events) if event.f == "list" and event.type == "ok"]
    at = rng.choice(lists)
    event = script.events[at]
    objects = [list(each) for each in event.value["objects"]]
    where = event.value["at"]
    match rng.randrange(3):
        case 0 if objects:
            objects.pop(rng.randrange(len(objects)))
        case 1 if objects:
            rng.choice(objects)[2] += rng.choice([-1, 1])
        case _:
            where = rng.randint(1, revision + 1)
    changed = Event(
        event.index,
        event.time,
        event.process,
        "ok",
        "list",
        None,
        {"at": where, "objects": objects},
        version=event.version,
        index_of_invoke=event.index_of_invoke,
    )
    script.events[at] = changed


def possible(events: list[Event]) -> bool:
    """The oracle: is there a way to place the changes without an answer under which every reply is right?

    Revisions of one change each; a deletion without an answer may lie between two revisions, for the service counts
    changes that this workload does not see. A change has effect only after it was asked for.
    """
    asked = {event.index: event for event in events if event.type == "invoke"}
    ends = {event.index_of_invoke: event for event in events if event.type != "invoke"}
    fixed = {
        end.version: (asked[at].key, *end.value, asked[at].time if end.f == "put" else -1)
        for at, end in ends.items()
        if end.type == "ok" and end.f in {"put", "delete"}
    }
    lost = [asked[at] for at, end in ends.items() if end.type == "info"]
    top = 1 + max(
        [*fixed, 1, *(end.value["at"] for end in ends.values() if end.f == "list" and end.type == "ok")]
        + [
            each[2]
            for end in ends.values()
            if end.f == "list" and end.type == "ok"
            for each in end.value["objects"]
        ]
        + [end.version for end in ends.values() if end.version]
    )
    choices = [
        [
            None,
            *(
                (r + 0.5) if each.f == "delete" else r
                for r in range(1, top + 1)
                if each.f == "delete" or r not in fixed
            ),
        ]
        for each in lost
    ]
    for places in itertools.product(*choices):
        used = [place for place in places if place is not None]
        puts = [place for place in used if place == int(place)]
        if len(set(puts)) < len(puts):
            continue
        if fits(ends, fixed, list(zip(lost, places, strict=True))):
            return True
    return False


class World:
    """All changes at their places, to be asked what was there at a revision."""

    def __init__(self, fixed, placed) -> None:
        self.changes = [(at, 0, *change) for at, change in fixed.items()]
        self.changes += [
            (place, number, each.key, each.value, None, each.time)
            for number, (each, place) in enumerate(placed)
            if place is not None
        ]
        self.changes.sort(key=lambda change: change[:2])

    def state(self, revision, time):
        """What was there; None where something of it was asked for only after the time."""
        held = {}
        for at, _, name, value, _, asked in self.changes:
            if at <= revision:
                if asked > time:
                    return None
                held[name] = (value, at)
        return {name: entry for name, entry in held.items() if entry[0] is not None}

    def shows(self, revision, time, name):
        held = self.state(revision, time)
        return None if held is None else list(held.get(name, (None, 0)))


def fits(ends, fixed, placed) -> bool:
    world = World(fixed, placed)
    done = {end.version: end for end in ends.values() if end.type == "ok" and end.f in {"put", "delete"}}
    for revision, (name, _, guard, _) in fixed.items():
        before = world.shows(revision - 0.25, done[revision].time, name)
        if before is None or before[1] != guard:
            return False
    for end in ends.values():
        if end.f == "list":
            shown = {name: (value, at) for name, value, at in end.value["objects"]}
            if shown != world.state(end.value["at"], end.time):
                return False
        elif end.type == "fail" and world.shows(end.version, end.time, end.key) != end.value:
            return False
    return True


@pytest.mark.parametrize("block", range(4))
def test_the_oracle_agrees(block):
    verdicts = {True: 0, False: 0}
    for seed in range(block * 500, block * 500 + 500):
        events = random_history(Random(seed)).events
        if sum(event.type == "info" for event in events) > 3 or not guards_are_told(events):
            continue
        expected = possible(events)
        verdicts[expected] += 1
        result = ListsAreSnapshots().check(History.of(events), Limits(time_s=5))
        said = "; ".join(each.sentence for each in result.anomalies)
        assert (result.verdict is Verdict.VALID) == expected, f"seed {seed}: {said}\n" + "\n".join(
            map(str, events)
        )
    assert min(verdicts.values()) > 50
