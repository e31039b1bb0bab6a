"""The second judge of transactions confirms what is planted, and refuses certificates that were tampered with."""

from __future__ import annotations

import json
import random
from copy import deepcopy

import msgspec
import pytest

from quorate.checkers import transactions_refute
from quorate.checkers.transactions import Transactions
from quorate.checkers.transactions_definitions import DEFINITIONS
from quorate.checkers.transactions_refute import refute
from quorate.checkers.transactions_story import TooLargeError
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History
from tests.quality.planted import PLANTS, events
from tests.unit.checkers_txn import making
from tests.unit.checkers_txn.test_transactions import read

# Kinds of steps that another kind must never stand for.
KINDS = ("ww", "wr", "rw", "process", "realtime", "atomic")


def certificates(plant):
    result = Transactions(plant.model).check(read(events(plant)), Limits())
    return [(one.name, one.detail.certificate) for one in result.anomalies]


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_every_planted_anomaly_is_confirmed(name):
    plant = PLANTS[name]
    crowd = making.history(random.Random(3), plant.model, count=100, keys=6, mode="honest", clients=5)
    history = read([*crowd, *events(plant, len(crowd), 10**6)])
    result = Transactions(plant.model).check(history, Limits())
    assert (result.verdict, result.confirmed_by) == (Verdict.INVALID, "definitions")
    assert "unconfirmed" not in result.stats
    assert {one.name for one in result.anomalies} == plant.names
    for anomaly in result.anomalies:
        json.loads(msgspec.json.encode(anomaly.detail.certificate))
        assert refute(history, plant.model, anomaly.detail.certificate) is None


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_a_circle_with_a_step_forged_is_refused(name):
    plant = PLANTS[name]
    history = read(events(plant))
    for _, certificate in certificates(plant):
        for at, step in enumerate(certificate["cycle"]):
            for forged in _forged(certificate, at, step):
                assert _refused(history, plant.model, forged), forged


def _forged(certificate, at, step):
    """The circle without the step, with its direction turned, with another key, and with kinds of data for time."""
    without = deepcopy(certificate)
    del without["cycle"][at]
    if without["cycle"]:
        yield without
    elsewhere = deepcopy(certificate)
    elsewhere["cycle"][at]["key"] = "z"
    if step["key"] is not None:
        yield elsewhere
    unknown = deepcopy(certificate)
    unknown["cycle"][at]["kind"] = "because"
    yield unknown
    data = deepcopy(certificate)
    data["cycle"][at]["kind"] = "atomic" if step["kind"] != "atomic" else "wr"
    yield data


def _refused(history, model, certificate):
    try:
        return refute(history, model, certificate) is not None
    except TooLargeError:
        return True


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_no_anomaly_is_confirmed_under_the_name_of_one_that_did_not_happen(name):
    """A plant's transactions prove its own names, and no dirty, garbled or lost data beside them."""
    plant = PLANTS[name]
    history = read(events(plant))
    indexes = sorted({index for _, one in certificates(plant) for index in one["transactions"]})
    for other in DEFINITIONS:
        if other in plant.names:
            continue
        for key in ("x", "y"):
            certificate = {"kind": other, "key": key, "transactions": indexes, "cycle": []}
            assert _refused(history, plant.model, certificate), (other, key)


@pytest.mark.parametrize("model", ["append", "rw"])
@pytest.mark.parametrize("seed", range(5))
def test_valid_histories_prove_nothing(model, seed):
    """Any certificate about a serial store is a forgery: all definitions, and circles of any two of any kinds."""
    rng = random.Random(seed)
    history = read(making.history(rng, model, count=12, keys=2, mode="honest", clients=3))
    calls = [event.index for event in history.events() if event.type == "invoke"]
    for kind in DEFINITIONS:
        for key in (0, 1):
            whole = {"kind": kind, "key": key, "transactions": calls, "cycle": []}
            assert _refused(history, model, whole), (kind, key)
    for kind in ("cycle-realtime", "write-conflict-realtime"):
        assert _refused(history, model, {"kind": kind, "key": 0, "transactions": calls, "cycle": []}), kind
    for _ in range(150):
        one, other = rng.sample(calls, 2)
        steps = [
            {"from": a, "to": b, "kind": rng.choice(KINDS), "key": rng.choice((0, 1))}
            for a, b in ((one, other), (other, one))
        ]
        forged = {"kind": "cycle-realtime", "key": 0, "transactions": [one, other], "cycle": steps}
        assert _refused(history, model, forged), forged


@pytest.mark.parametrize("name", ["G-single", "G2-item", "rw-long-fork", "G-nonadjacent"])
def test_a_circle_is_not_called_worse_than_it_is(name):
    for kind, certificate in certificates(PLANTS[name]):
        if certificate["cycle"]:
            history = read(events(PLANTS[name]))
            for worse in ("G0", "G1c", *(("G-single",) if "G-single" not in PLANTS[name].names else ())):
                assert _refused(history, PLANTS[name].model, certificate | {"kind": worse}), (kind, worse)


def test_what_cannot_be_confirmed_is_unknown(monkeypatch):
    plant = PLANTS["G1c"]

    def never(_history, _model, found, _time_s):
        return ["the second judge sees nothing"] * len(found)

    monkeypatch.setattr(transactions_refute, "refute_all", never)
    result = Transactions(plant.model).check(read(events(plant)), Limits())
    assert (result.verdict, result.confirmed_by, list(result.anomalies)) == (Verdict.UNKNOWN, None, [])
    assert "G1c: the second judge sees nothing" in result.reason


def test_a_step_whose_order_is_unknown_stands_only_where_a_part_was_seen():
    """The reader saw key 1 of the second and of key 0 what the first wrote; without that read nothing is shown."""
    ops = [
        [["r", 2, None], ["w", 0, 1]],
        [["w", 1, 1], ["w", 2, 1], ["w", 0, 2]],
        [["r", 1, 1], ["r", 0, 1]],
    ]

    def history(done):
        asked = [[["r", key, None] if f == "r" else [f, key, value] for f, key, value in one] for one in done]
        pairs = [
            (kind, value)
            for one in zip(asked, done, strict=True)
            for kind, value in zip(("invoke", "ok"), one, strict=True)
        ]
        return read(
            {"index": at, "time": at, "process": at // 2, "type": kind, "f": "txn", "value": value}
            for at, (kind, value) in enumerate(pairs)
        )

    result = Transactions("rw", "repeatable-read").check(history(ops), Limits())
    assert (result.verdict, [one.name for one in result.anomalies]) == (Verdict.INVALID, ["G-single"])
    certificate = result.anomalies[0].detail.certificate
    assert "atomic" in [step["kind"] for step in certificate["cycle"]]
    assert refute(history(ops), "rw", certificate) is None
    assert refute(history([*ops[:2], [["r", 0, 1]]]), "rw", certificate) is not None
    assert refute(history([*ops[:2], [["r", 1, 1]]]), "rw", certificate) is not None


def test_a_version_from_outside_the_circle_orders_its_readers():
    """Two read what a third wrote; one of them overwrote it, and so came after the other."""
    steps = [
        (0, "invoke", [["w", "y", 2]]),
        (0, "ok", [["w", "y", 2]]),
        (0, "invoke", [["r", "y", None], ["r", "x", None], ["w", "y", 4]]),
        (1, "invoke", [["r", "y", None], ["w", "x", 5], ["r", "z", None]]),
        (1, "ok", [["r", "y", 2], ["w", "x", 5], ["r", "z", 7]]),
        (1, "invoke", [["w", "z", 7], ["w", "x", 8]]),
        (1, "ok", [["w", "z", 7], ["w", "x", 8]]),
        (0, "ok", [["r", "y", 2], ["r", "x", 8], ["w", "y", 4]]),
    ]
    history = History.of(
        [Event(at, at, process, kind, "txn", None, value) for at, (process, kind, value) in enumerate(steps)]
    )
    found = Transactions("rw", "serializable").check(history, Limits())
    assert (found.verdict, found.confirmed_by) == (Verdict.INVALID, "definitions"), found.reason
