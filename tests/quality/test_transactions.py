"""Is each anomaly of transactions found, called by its name, and reported with the transactions that show it?"""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from pathlib import Path

import pytest

from quorate.checkers.transactions import Transactions, append
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import History
from quorate.harness.history.native import Handle

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "data" / "histories"


def load(path: Path):
    spec = importlib.util.spec_from_file_location(f"transactions_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


planted = load(HERE / "planted.py")
making = load(HERE.parent / "unit" / "checkers_txn" / "making.py")
PLANTS = sorted(planted.PLANTS)


def read(events) -> History:
    handle = Handle("jsonl")
    handle.feed("".join(json.dumps(event) + "\n" for event in events).encode())
    return History(handle, handle.finish())


def crowd(model):
    """Valid transactions of a serial store, on separate keys."""
    return making.history(random.Random(11), model, count=400, keys=6, mode="honest", clients=5)


@pytest.mark.parametrize("name", PLANTS)
@pytest.mark.parametrize("crowded", [False, True])
def test_each_plant_has_its_name(name, crowded):
    plant = planted.PLANTS[name]
    before = crowd(plant.model) if crowded else []
    start = len(before)
    events = [*before, *planted.events(plant, start, 10**6)]
    result = Transactions(plant.model).check(read(events), Limits())
    assert result.verdict == Verdict.INVALID
    assert {anomaly.name for anomaly in result.anomalies} == plant.names
    assert set(result.stats["strongest"]) == plant.strongest
    for anomaly in result.anomalies:
        assert anomaly.culprit in anomaly.events
        assert all(start <= index < len(events) for index in anomaly.events), "only the plant's own events"


@pytest.mark.parametrize("model", ["append", "rw"])
def test_the_crowd_alone_is_valid(model):
    result = Transactions(model).check(read(crowd(model)), Limits())
    assert (result.verdict, result.stats["strongest"]) == (Verdict.VALID, ["strict-serializable"])
    assert result.stats["proved"]


@pytest.mark.parametrize("name", PLANTS)
def test_what_still_holds_is_accepted_and_nothing_stronger(name):
    plant = planted.PLANTS[name]
    history = read(planted.events(plant))
    for level in plant.strongest:
        result = Transactions(plant.model, level).check(history, Limits())
        assert result.verdict == Verdict.VALID, (level, result.reason)
        assert set(result.stats["tolerated"]) == plant.names
    strict = Transactions(plant.model, "strict-serializable").check(history, Limits())
    assert strict.verdict == Verdict.INVALID


def test_a_cycle_is_told_edge_by_edge():
    result = append().check(read(planted.events(planted.PLANTS["G-single"])), Limits())
    (anomaly,) = (one for one in result.anomalies if one.name == "G-single")
    steps = [(step.source, step.target, step.kind) for step in anomaly.detail.cycle]
    assert steps == [("T1", "T2", "rw"), ("T2", "T1", "wr")]
    assert 'T1 (p1001001, 0.000 s) read list "y" as [], without 1, which T2 (p' in anomaly.sentence
    assert 'T2 appended 1 to list "x", which T1 read with it, as [1]' in anomaly.sentence
    assert [one.index for one in anomaly.detail.transactions] == [1, 0]
    assert len(anomaly.events) == 4


def test_the_shortest_cycle_is_told():
    """A pair of transactions is in a larger knot; the pair is what people should see."""
    long = [
        planted.T([["r", "a", None], ["append", "b", 1]]),
        planted.T([["r", "b", None], ["append", "c", 1]]),
        planted.T([["r", "c", None], ["append", "d", 1]]),
        planted.T([["r", "d", None], ["append", "a", 1]]),
        planted.T([["r", "e", None], ["append", "f", 1]]),
        planted.T([["r", "f", None], ["append", "e", 1], ["r", "a", None]]),
    ]
    plant = planted.Plant("append", [long], {"G2-item"}, set())
    result = append().check(read(planted.events(plant)), Limits())
    (anomaly,) = result.anomalies
    assert len(anomaly.detail.cycle) == 2
    assert {one.index for one in anomaly.detail.transactions} == {4, 5}


@pytest.mark.parametrize(
    ("file", "level", "verdict", "names"),
    [
        ("append-serial.jsonl", "strict-serializable", "valid", set()),
        ("append-snapshots.edn", "strict-serializable", "invalid", {"G2-item"}),
        ("append-snapshots.edn", "snapshot-isolation", "valid", set()),
        ("append-loose.jsonl", "snapshot-isolation", "invalid", {"G-single"}),
    ],
)
def test_recorded_samples(file, level, verdict, names):
    result = append(level).check(History.read(SAMPLES / file), Limits())
    assert result.verdict == verdict
    assert names <= {anomaly.name for anomaly in result.anomalies}
