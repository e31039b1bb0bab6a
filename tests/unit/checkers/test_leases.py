"""Leases against the clock: each anomaly by itself, what a service may do, and a judge that tries every moment."""

from __future__ import annotations

from itertools import product
from random import Random

import msgspec
import pytest

from quorate.checkers.leases import LeasesKeepTime
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History

SECOND = 10**9
TTL = 4


def history(*steps, told=None, term=None, faults=()):
    """Steps `(f, asked, done, outcome, names)` in seconds, each by a separate process, about the lease `x`."""
    told = {"ttl_ms": 1000 * TTL, "sooner_ms": 0, "later_ms": 0, "relay_ms": 0} | (told or {})
    halves = [(moment, 0, "nemesis", "kill", "invoke", None) for moment in faults]
    for process, step in enumerate(steps):
        f, asked, done, outcome, *more = step
        value = {"lease": 1, **told} if f == "grant" else None
        if f in {"look", "rest"}:
            value = {"names": more[0], "term": term}
        halves += [(asked, 0, process, f, "invoke", None), (done, 1, process, f, outcome, value)]
    events, asked_at = [], {}
    for index, (moment, _, process, f, kind, value) in enumerate(sorted(halves, key=lambda half: half[:2])):
        key = "x" if f in {"grant", "renew", "revoke"} else None
        error = ["lease-gone", ""] if kind == "gone" else None
        if kind == "invoke":
            asked_at[process] = index
        events.append(
            Event(
                index, round(moment * SECOND), process, "fail" if error else kind, f, key,
                value if kind == "ok" else None, error=error,
                index_of_invoke=None if kind == "invoke" else asked_at[process],
            )
        )  # fmt: skip
    return History.of(events)


def judged(*steps, strict=False, **more):
    return LeasesKeepTime(strict=strict).check(history(*steps, **more), Limits())


def names(*steps, **more):
    result = judged(*steps, **more)
    assert (result.verdict is Verdict.INVALID) == bool(result.anomalies)
    assert all(anomaly.events and anomaly.sentence for anomaly in result.anomalies)
    assert result.confirmed_by == ("definitions" if result.anomalies else None), result.anomalies
    return {anomaly.name for anomaly in result.anomalies}


GRANT = ("grant", 0, 1, "ok")
HERE, GONE = ["x"], []


def test_a_lease_that_is_kept_and_let_die():
    steps = (GRANT, ("look", 2, 3, "ok", HERE), ("renew", 3, 4, "ok"), ("look", 6.9, 7.1, "ok", GONE))
    assert judged(*steps).verdict is Verdict.VALID
    assert judged(*steps).stats["judged"] == 1


def test_an_anomaly_tells_when_the_lease_was_alive():
    (lost,) = judged(GRANT, ("renew", 3, 3.5, "ok"), ("look", 4, 5, "ok", GONE)).anomalies
    (alive,) = lost.detail.intervals
    assert (alive.from_s, alive.to_s, alive.kind) == (1, 7, "held")


def test_without_a_look_into_its_life_nothing_is_proved():
    assert judged(GRANT, ("look", 9, 10, "ok", GONE)).verdict is Verdict.UNKNOWN
    assert judged(GRANT).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("lease lost too early", [("look", 2, 3.9, "ok", GONE)]),
        ("lease lost too early", [("renew", 3, 4, "ok"), ("look", 6, 6.9, "ok", GONE)]),
        ("lease lost too early", [("renew", 2, 2.5, "gone")]),
        # Seen before its grant was answered: alive from then on.
        ("lease lost too early", [("look", 0.1, 0.2, "ok", HERE), ("look", 0.5, 0.6, "ok", GONE)]),
        ("lease renewed after its end", [("look", 5, 5.1, "ok", GONE), ("renew", 6, 7, "ok")]),
        ("lease renewed after its end", [("revoke", 2, 3, "ok"), ("renew", 3.5, 4, "ok")]),
        ("lease came back", [("look", 5, 5.1, "ok", GONE), ("look", 6, 7, "ok", HERE)]),
        ("lease outlived its revocation", [("revoke", 2, 3, "ok"), ("look", 3.5, 4, "ok", HERE)]),
        ("key without a lease", [("look", 2, 3, "ok", ["x", "y"])]),
    ],
)
def test_each_anomaly(name, steps):
    assert names(GRANT, *steps) == {name}


@pytest.mark.parametrize(
    "steps",
    [
        [("revoke", 2, 9, "info"), ("look", 3, 3.5, "ok", GONE)],  # the revocation may have happened
        [("revoke", 2, 9, "ok"), ("look", 3, 3.5, "ok", HERE)],  # and may not have yet
        [("renew", 3, 20, "info"), ("look", 5, 5.1, "ok", GONE)],  # an unanswered renewal promises nothing
        [("renew", 3, 3.5, "ok"), ("look", 6, 7.5, "ok", GONE)],  # the look may have come late enough
        [("look", 0.5, 2, "ok", GONE), ("look", 2.5, 3, "ok", HERE)],  # asked before the grant was answered
        [("look", 2, 3, "ok", HERE), ("renew", 4.5, 5, "gone"), ("look", 5, 6, "ok", GONE)],
    ],
)
def test_what_is_unknown_only_widens(steps):
    assert names(GRANT, *steps) == set()


def test_a_state_from_before_the_grant_is_no_loss():
    events = history(GRANT, ("look", 2, 3, "ok", GONE)).events()
    versions = {"grant": 9, "look": 8}
    old = [msgspec.structs.replace(e, version=versions[e.f]) if e.type == "ok" else e for e in events]
    assert LeasesKeepTime().check(History.of(old), Limits()).verdict is Verdict.UNKNOWN


def test_what_the_service_documents_is_allowed_unless_strict():
    early = (GRANT, ("look", 1.1, 1.2, "ok", HERE), ("look", 2, 3, "ok", GONE))
    assert names(*early, told={"sooner_ms": 2000}) == set()
    assert names(*early, told={"sooner_ms": 500}) == {"lease lost too early"}
    assert names(*early, told={"sooner_ms": 2000}, strict=True) == {"lease lost too early"}


def test_a_relayed_renewal_proves_only_those_before_it():
    """ZooKeeper: the server asked may not have sent it to the leader yet."""
    kept = (GRANT, ("renew", 2, 2.1, "ok"), ("renew", 4, 4.1, "ok"))
    lost = ("look", 6.2, 6.3, "ok", GONE)
    assert names(*kept, lost) == {"lease lost too early"}
    assert names(*kept, lost, told={"relay_ms": 1500}) == set()
    assert names(*kept, ("look", 5, 5.5, "ok", GONE), told={"relay_ms": 1500}) == {"lease lost too early"}
    assert names(*kept, lost, told={"relay_ms": 1500}, strict=True) == {"lease lost too early"}


LEAK = (GRANT, ("look", 1.5, 2, "ok", HERE), ("look", 12, 12.5, "ok", HERE))


def test_a_key_that_outlives_its_lease():
    assert names(*LEAK, term=3) == {"lease outlived its time"}
    assert names(*LEAK, term=3, told={"later_ms": 4000}) == set()
    assert names(*LEAK, term=3, told={"later_ms": 4000}, strict=True) == {"lease outlived its time"}
    assert names(*LEAK, ("renew", 2, 6, "info"), term=3) == set(), "it may have been kept alive"
    assert names(*LEAK, term=None) == set(), "there may have been a new leader"
    assert names(*LEAK, term=3, faults=[8]) == set(), "nobody may have been there to end it"
    rest = (GRANT, ("look", 1.5, 2, "ok", HERE), ("rest", 20, 21, "ok", HERE), ("rest", 31, 32, "ok", HERE))
    assert names(*rest, term=3, faults=[8]) == {"lease outlived its time"}
    assert names(*rest[:3], term=3, faults=[8]) == set(), (
        "one look at rest tells nothing of the leader before it"
    )


def allowed(steps):
    """Whether any moments of granting, renewing, looking and ending explain it (whole seconds)."""
    grant, *others = steps
    last = max(step[2] for step in steps) + TTL + 1
    revokes = [step for step in others if step[0] == "revoke"]
    return any(
        all(_fits(step, granted, end) for step in others) and _ends(others, revokes, granted, end)
        for granted, end in product(range(grant[1], grant[2] + 1), range(last + 1))
    )


def _fits(step, granted, end):
    f, asked, done, outcome, *more = step
    moments = range(asked, done + 1)
    if f == "look":
        return any(granted <= at <= end if more[0] else at <= granted or at >= end for at in moments)
    if f == "renew" and outcome == "ok":
        return any(at <= end for at in moments)
    return f != "revoke" or outcome != "ok" or end <= done


def _ends(others, revokes, granted, end):
    kept = [granted] + [
        step[1] for step in others if step[0] == "renew" and step[3] == "ok" and step[1] <= end
    ]
    revoked = any(asked <= end and (end <= done or outcome == "info") for _, asked, done, outcome in revokes)
    return revoked or end >= max(kept) + TTL


def random_steps(rng):
    steps = [("grant", 0, rng.randrange(3), "ok")]
    for _ in range(rng.randrange(1, 6)):
        asked = rng.randrange(1, 14)
        done = asked + rng.randrange(1, 4)
        match rng.randrange(6):
            case 0 | 1:
                steps.append(("renew", asked, done, rng.choice(["ok", "ok", "info"])))
            case 2 if not any(step[0] == "revoke" for step in steps):
                steps.append(("revoke", asked, done, rng.choice(["ok", "info"])))
            case _:
                steps.append(("look", asked, done, "ok", rng.choice([HERE, GONE])))
    return steps


@pytest.mark.parametrize("block", range(4))
def test_against_a_judge_that_tries_every_moment(block):
    rng, said = Random(block), {True: 0, False: 0}
    for _ in range(250):
        steps = random_steps(rng)
        fine = allowed(steps)
        found = judged(*steps).verdict is Verdict.INVALID
        assert not (found and fine), f"false alarm: {steps}"
        # When exactly it was granted is not inferred from looks that found it missing.
        assert found or fine or steps[0][2] > 0, f"missed: {steps}"
        said[fine] += 1
    assert min(said.values()) > 25, said
