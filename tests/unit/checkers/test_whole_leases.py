"""Leases with many keys: judged as by counting, on thousands of small histories, and confirmed by the definition."""

from __future__ import annotations

from random import Random

import pytest

from quorate.checkers.replies import JUDGE
from quorate.checkers.whole_leases import LeasesAreWhole
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History


def operation(events, process, f, key, value, kind="ok"):
    begun = len(events)
    events.append(Event(begun, begun * 1000, process, "invoke", f, key, None))
    events.append(Event(begun + 1, (begun + 1) * 1000, process, kind, f, key, value, index_of_invoke=begun))


def history(rng, keys, *, torn_share):
    """Some grants, and looks of which a share shows leases in parts."""
    events = []
    names = [f"l{number}" for number in range(3)]
    for name in names:
        operation(events, 1, "grant", name, {"ttl_ms": 1000, "keys": keys})
    for _ in range(6):
        shown, beside = [], []
        for name in names:
            every = [name, *(f"{name}+{number}" for number in range(1, keys))]
            seen = every if rng.random() < 0.5 else []
            if rng.random() < torn_share:
                seen = rng.sample(every, rng.randrange(keys + 1))
            shown += [one for one in seen if one == name]
            beside += [one for one in seen if one != name]
        operation(
            events, 2, rng.choice(["look", "rest"]), None, {"names": shown, "beside": beside, "term": 1}
        )
    return events


def judged(events):
    return LeasesAreWhole().check(History.of(events), Limits(time_s=5))


def seen_torn(events, keys):
    """What counting says: every lease that some look showed in part."""
    found = set()
    for event in events:
        if event.type == "ok" and event.f in ("look", "rest"):
            every = [*event.value["names"], *event.value["beside"]]
            for name in {key.partition("+")[0] for key in every}:
                if sum(key.partition("+")[0] == name for key in every) != keys:
                    found.add(name)
    return found


@pytest.mark.parametrize("keys", [2, 4])
@pytest.mark.parametrize("torn_share", [0.0, 0.05, 0.5])
def test_what_is_torn_is_found_and_nothing_else(keys, torn_share):
    for seed in range(400):
        events = history(Random(seed), keys, torn_share=torn_share)
        result, wanted = judged(events), seen_torn(events, keys)
        assert {one.key for one in result.anomalies} == wanted
        assert (result.verdict == Verdict.INVALID) == bool(wanted)
        if wanted:
            assert result.confirmed_by == JUDGE


def test_without_a_look_at_a_lease_nothing_is_known():
    events = []
    operation(events, 1, "grant", "l0", {"ttl_ms": 1000, "keys": 3})
    assert judged(events).verdict == Verdict.UNKNOWN
    operation(events, 2, "look", None, {"names": ["l0"], "beside": ["l0+1"], "term": 1}, "fail")
    assert judged(events).verdict == Verdict.UNKNOWN
    operation(events, 2, "look", None, {"names": ["l0"], "beside": ["l0+1", "l0+2"], "term": 1})
    assert judged(events).verdict == Verdict.VALID


def test_where_no_grant_was_answered_nothing_is_torn():
    events = []
    operation(events, 1, "grant", "l0", None, "info")
    operation(events, 2, "look", None, {"names": ["l0"], "beside": [], "term": 1})
    assert judged(events).verdict == Verdict.UNKNOWN


def test_the_sentence_tells_how_many():
    events = []
    operation(events, 1, "grant", "l0", {"ttl_ms": 1000, "keys": 3})
    operation(events, 2, "look", None, {"names": [], "beside": ["l0+2"], "term": 1})
    (one,) = judged(events).anomalies
    assert one.sentence.startswith("p2 saw 1 of the 3 keys of lease l0 at")
