"""The record of a run: written and read again it is the same, and a damaged one loses only what is damaged."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quorate.harness.core import reading
from quorate.harness.core.evidence import (
    Change,
    Contradiction,
    Crash,
    Cycle,
    Dependency,
    Divergence,
    Facts,
    Happened,
    Hold,
    Holds,
    Listed,
    ListStory,
    Mark,
    Missed,
    Row,
    SessionOrder,
    Shown,
    Transaction,
    Unexplained,
    Watched,
    WatchStory,
)
from quorate.harness.core.evidence import Step as EvidenceStep
from quorate.harness.core.fault import Proof
from quorate.harness.core.results import (
    Behind,
    Counts,
    Death,
    FaultRow,
    Gate,
    JudgedReads,
    Leader,
    Outage,
    Outages,
    Outcomes,
    Printed,
    Results,
    Staleness,
    Statistics,
    Step,
    Stretch,
    Window,
)
from quorate.harness.core.verdict import Anomaly, Result, Verdict

TEXT = st.text(max_size=6)
COUNT = st.integers(0, 10**9)
NUMBER = st.floats(0, 1e6, allow_nan=False)
MAYBE = st.none() | NUMBER
QUANTILES = st.dictionaries(st.sampled_from(["p50", "p95", "p99", "max"]), NUMBER, max_size=4)
DATA = st.dictionaries(
    TEXT, st.none() | st.booleans() | COUNT | TEXT | st.lists(COUNT, max_size=2), max_size=2
)
TEXTS = st.lists(TEXT, max_size=2)
PROOFS = st.builds(Proof, st.booleans(), TEXT, DATA)


def few(kind: Any) -> Any:
    return st.lists(kind, max_size=2)


def by_name(kind: Any) -> Any:
    return st.dictionaries(TEXT, kind, max_size=2)


DETAILS = st.one_of(
    st.builds(Facts, st.none() | DATA, DATA),
    st.builds(
        Contradiction,
        st.none() | DATA,
        DATA,
        st.none() | st.booleans(),
        TEXT,
        TEXT,
        st.none() | TEXTS,
        DATA,
        st.none() | COUNT,
        few(st.builds(EvidenceStep, COUNT, st.none() | COUNT, TEXT, TEXT)),
    ),
    st.builds(Unexplained, st.none() | DATA, DATA, few(COUNT), few(COUNT)),
    st.builds(
        Cycle,
        st.none() | DATA,
        DATA,
        few(st.builds(Dependency, TEXT | COUNT, TEXT | COUNT, TEXT, TEXT, TEXT)),
        few(st.builds(Transaction, TEXT, st.none() | COUNT, TEXT | COUNT, TEXT, st.none() | TEXTS)),
        st.none() | COUNT,
        TEXTS,
        TEXT,
    ),
    st.builds(SessionOrder, st.none() | DATA, DATA, st.none() | st.booleans(), st.none() | COUNT, TEXTS),
    st.builds(
        Holds,
        st.none() | DATA,
        DATA,
        few(st.builds(Hold, COUNT, NUMBER, MAYBE, st.none() | TEXT, TEXT, TEXT)),
        few(st.builds(Mark, NUMBER, TEXT)),
    ),
    st.builds(
        Watched,
        st.none() | DATA,
        DATA,
        st.none() | st.tuples(COUNT, TEXT),
        st.dictionaries(COUNT, TEXTS, max_size=2),
        st.none()
        | st.builds(
            WatchStory,
            TEXT,
            few(st.builds(Shown, COUNT, NUMBER, COUNT, st.none() | TEXT, DATA, st.booleans())),
            few(st.builds(Happened, COUNT, st.none() | TEXT, DATA, st.booleans())),
            st.booleans(),
        ),
    ),
    st.builds(
        Listed,
        st.none() | DATA,
        DATA,
        st.none()
        | st.builds(
            ListStory,
            TEXT,
            COUNT,
            TEXT,
            st.booleans(),
            COUNT,
            few(st.builds(Row, TEXT, DATA, st.none() | COUNT, st.booleans())),
            few(st.builds(Change, st.none() | COUNT, DATA, st.booleans(), st.booleans())),
        ),
    ),
    st.builds(Missed, st.none() | DATA, DATA, MAYBE),
    st.builds(Crash, st.none() | DATA, DATA, TEXT, MAYBE, TEXTS),
    st.builds(Divergence, st.none() | DATA, DATA, COUNT, TEXTS, TEXTS),
)
ANOMALIES = st.builds(Anomaly, TEXT, TEXT, TEXT, few(COUNT), st.none() | COUNT, DETAILS)
GUARANTEES = st.builds(
    Result,
    TEXT,
    st.sampled_from(Verdict),
    TEXT,
    st.none() | TEXT,
    TEXT,
    COUNT,
    few(ANOMALIES),
    parts=by_name(TEXT),
    stats=DATA,
)
STATISTICS = st.builds(
    Statistics, COUNT, COUNT, COUNT, COUNT, MAYBE, QUANTILES, QUANTILES,
    by_name(st.builds(Counts, COUNT, COUNT, COUNT, QUANTILES, QUANTILES)),
    by_name(st.builds(Outcomes, COUNT, COUNT, COUNT)),
    by_name(COUNT),
)  # fmt: skip
FAULTS = st.builds(
    FaultRow, TEXT, TEXT, TEXTS, DATA, TEXT, NUMBER, NUMBER, MAYBE, MAYBE, st.none() | PROOFS, st.none() | PROOFS,
    st.none() | TEXTS, COUNT, TEXTS, MAYBE, MAYBE, MAYBE,
    few(st.builds(Step, TEXT, NUMBER, NUMBER, NUMBER, MAYBE, MAYBE, MAYBE)),
)  # fmt: skip
STRETCHES = few(st.builds(Stretch, NUMBER, NUMBER))
OUTAGES = st.builds(Outages, NUMBER, NUMBER, STRETCHES, by_name(st.builds(Outage, NUMBER, NUMBER, STRETCHES)))
READS = st.builds(
    JudgedReads, TEXT, TEXT, TEXT, st.booleans(), st.booleans(), MAYBE, st.booleans(), TEXT,
    few(st.builds(
        Staleness, TEXT, COUNT, COUNT, NUMBER, QUANTILES, COUNT, COUNT,
        few(st.builds(Behind, TEXT, TEXT, NUMBER, MAYBE, COUNT, COUNT, NUMBER)),
    )),
)  # fmt: skip
RESULTS = st.builds(
    Results, st.sampled_from(Verdict), st.sampled_from([None, 0, 1, 130]), TEXT, TEXT, few(GUARANTEES),
    STATISTICS, few(FAULTS), by_name(NUMBER), OUTAGES, few(st.builds(Window, TEXT, NUMBER, NUMBER)), MAYBE,
    st.none() | READS,    few(st.builds(Gate, TEXT, st.booleans(), TEXT)), QUANTILES,
    few(st.builds(Leader, NUMBER, st.none() | TEXT, st.none() | COUNT)), few(st.builds(Death, NUMBER, TEXT, TEXT)),
    by_name(NUMBER), st.booleans(), st.booleans(), by_name(TEXT),
)  # fmt: skip
CALMLY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
FIELDS = [field.name for field in msgspec.structs.fields(Results)]


@CALMLY
@given(RESULTS)
def test_results_are_read_as_they_were_written(results: Results) -> None:
    text = json.dumps(results.encoded())
    problems: list[str] = []
    assert reading.record(reading.parsed(text), Results, problems, "results.json") == results
    assert not problems
    assert msgspec.json.decode(msgspec.json.encode(results), type=Results) == results


@CALMLY
@given(RESULTS, TEXT)
def test_what_is_printed_is_the_results_with_the_folder(results: Results, folder: str) -> None:
    plain = Printed.of(results, folder, unwritten="no space").encoded()
    assert plain == {**results.encoded(), "run": folder, "unwritten": "no space"}
    assert "unwritten" not in Printed.of(results, folder).encoded()
    assert reading.record(plain, Printed, [], "").run == folder


@CALMLY
@given(RESULTS, st.sampled_from(FIELDS), st.none() | COUNT | TEXT | st.lists(TEXT, max_size=2) | DATA)
def test_a_damaged_field_costs_itself_alone(results: Results, damaged: str, value: Any) -> None:
    found = reading.record({**results.encoded(), damaged: value}, Results, [], "results.json")
    for name in FIELDS:
        if name != damaged:
            assert getattr(found, name) == getattr(results, name)


def test_a_damaged_entry_of_a_list_costs_itself_alone() -> None:
    problems: list[str] = []
    plain = {
        "gates": [{"name": "a", "holds": True}, "b", {"name": 3}],
        "faults": "kill",
        "statistics": {"ok": "x"},
    }
    found = reading.record(plain, Results, problems, "results.json")
    assert found.gates == [Gate("a", True)]
    assert (found.faults, found.statistics) == ([], Statistics())
    assert len(problems) == 4
    assert problems[0].startswith('"statistics" in results.json is not what it should be and is left out: ')
    assert problems[1] == '"faults" in results.json is not a list and is ignored'


@pytest.mark.parametrize(
    "text", ['{"recovery_s": 1e999}', '{"recovery_s": NaN}', '{"recovery_s": -Infinity}']
)
def test_numbers_that_no_float_holds_stand_for_nothing_known(text: str) -> None:
    problems: list[str] = []
    assert reading.record(reading.parsed(text), Results, problems, "").recovery_s is None
    assert not problems


def test_results_of_earlier_versions_are_read() -> None:
    plain = {
        "verdict": "valid",
        "exit_code": 0,
        "statistics": {"ok": 3, "by_node": {"n1": {"ok": 3}}},
        "faults": [{"fault": "kill", "injected_s": 1.0, "proof": {"holds": True, "text": "dead"}}],
        "deaths": [{"time_s": 1.5, "node": "n2"}],
        "no_longer_known": [1, 2],
    }
    problems: list[str] = []
    found = reading.record(plain, Results, problems, "results.json")
    assert not problems
    assert (found.verdict, found.statistics.ok, found.faults[0].began_s) == (Verdict.VALID, 3, None)
    assert found.faults[0].proof == Proof(True, "dead")
    assert found.deaths == [Death(1.5, "n2")]


@pytest.mark.parametrize(
    ("plain", "kind"),
    [
        ({}, Facts),
        ({"certificate": {"kind": "stale read"}}, Facts),
        ({"minimal": True, "engine": "zones", "elements": [3], "reads": {"7": [3]}}, Contradiction),
        ({"minimal": True, "session": 2, "order": ["a before b"]}, SessionOrder),
        ({"explained": [0], "rest": [2]}, Unexplained),
        ({"count": 1, "not": ["x"], "transactions": [], "cycle": [{"from": "T1", "to": "T1"}]}, Cycle),
        ({"marks": [{"at_s": 1, "what": "granted"}]}, Holds),
        ({"at": [3, "k1"], "watch": {"who": "p1", "shown": [{"revision": 3}]}}, Watched),
        ({"missing": {"3": ["k1"]}}, Watched),
        ({"list": {"who": "p1", "rows": [{"name": "a"}]}}, Listed),
        ({"seen_s": None}, Missed),
        ({"node": "n1", "time_s": None, "lines": ["panic: x"]}, Crash),
        ({"position": 7, "nodes": ["n1", "n2"], "keys": ["a"]}, Divergence),
    ],
)
def test_evidence_of_runs_before_it_had_kinds_is_read(plain: dict[str, Any], kind: type) -> None:
    problems: list[str] = []
    found = reading.evidence(plain, problems, "")
    assert type(found) is kind
    assert not problems
    assert not found.facts
    written = msgspec.to_builtins(found)
    assert plain.keys() - {"seen_s", "time_s"} <= written.keys() | {
        name for name, value in plain.items() if not value
    }


def test_damaged_evidence_loses_what_is_damaged() -> None:
    problems: list[str] = []
    plain = {"kind": "cycle", "cycle": ["a", {"from": "T1", "to": "T2"}], "transactions": 3, "more": [1]}
    found = reading.evidence(plain, problems, "results.json")
    assert found == Cycle(facts={"more": [1]}, cycle=[Dependency("T1", "T2")], transactions=[])
    assert len(problems) == 2
    assert reading.evidence("x", problems, "results.json") == Facts()
    assert reading.evidence({"kind": ["odd"], "watch": 3}, problems, "") == Watched(facts={})


def test_a_damaged_anomaly_does_not_cost_its_guarantee() -> None:
    problems: list[str] = []
    anomalies = [{"name": "stale read", "sentence": "", "detail": 3}, {"name": 4}]
    plain = {"guarantees": [{"guarantee": "linearizable", "verdict": "invalid", "anomalies": anomalies}]}
    (result,) = reading.record(plain, Results, problems, "results.json").guarantees
    assert result.anomalies == [Anomaly("stale read", "")]
    assert len(problems) == 2
