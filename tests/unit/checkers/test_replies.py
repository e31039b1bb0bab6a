"""The second judge of replies confirms what is wrong, and refuses certificates that show something else."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from quorate.checkers.elections import OneLeaderAtATime
from quorate.checkers.identifiers import NumbersGrow
from quorate.checkers.leases import LeasesKeepTime
from quorate.checkers.replies import DEFINITIONS, confirmed, refute
from quorate.checkers.replies_record import Certificate
from quorate.checkers.versions import VersionsNeverRegress
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict
from quorate.harness.history import Event, History
from tests.unit.checkers import test_elections, test_leases
from tests.unit.checkers.test_leases import GONE, GRANT, HERE

FIRST, SECOND_TERM = test_elections.FIRST, test_elections.SECOND_TERM
BROKEN = [
    (OneLeaderAtATime(), test_elections.history([FIRST, SECOND_TERM, (1, "proclaim", 7, 8, "c", 5)])),
    (OneLeaderAtATime(), test_elections.history([FIRST, (2, "campaign", 3, 6, "b", 5)])),
    (
        OneLeaderAtATime(),
        test_elections.history([FIRST, (1, "resign", 2, 3, None, None), (3, "leader", 4, 5, None, ["a", 5])]),
    ),
    (NumbersGrow(), test_elections.history([(1, "draw", 0, 1, None, 7), (2, "draw", 2, 3, None, 7)])),
    (NumbersGrow(), test_elections.history([(1, "draw", 0, 1, None, 7), (2, "draw", 2, 3, None, 4)])),
    (LeasesKeepTime(), test_leases.history(GRANT, ("look", 2, 3.9, "ok", GONE))),
    (LeasesKeepTime(), test_leases.history(GRANT, ("revoke", 2, 3, "ok"), ("renew", 3.5, 4, "ok"))),
    (LeasesKeepTime(), test_leases.history(GRANT, ("revoke", 2, 3, "ok"), ("look", 3.5, 4, "ok", HERE))),
    (
        LeasesKeepTime(),
        test_leases.history(GRANT, ("look", 5, 5.1, "ok", GONE), ("look", 6, 7, "ok", HERE)),
    ),
]


@pytest.mark.parametrize(("checker", "history"), BROKEN)
def test_a_certificate_needs_the_events_that_it_names(checker, history):
    result = checker.check(history, Limits())
    certificates = [msgspec.convert(one.detail.certificate, Certificate) for one in result.anomalies]
    assert result.confirmed_by == "definitions"
    assert refute(history, certificates) is None
    for certificate, anomaly in zip(certificates, result.anomalies, strict=True):
        without = [index for index in certificate.events if index < anomaly.culprit]
        assert refute(history, [msgspec.structs.replace(certificate, events=without)])
        assert refute(history, [msgspec.structs.replace(certificate, events=[*certificate.events, 999])])
        assert refute(history, [msgspec.structs.replace(certificate, kind="an anomaly without a definition")])


@pytest.mark.parametrize("block", range(4))
def test_what_is_right_is_never_confirmed_to_be_wrong(block):
    """All of a history that its checker calls valid, blamed for each anomaly there is."""
    rng, judged = Random(block), 0
    for _ in range(150):
        steps = test_leases.random_steps(rng)
        history = test_leases.history(*steps)
        if LeasesKeepTime().check(history, Limits()).verdict is not Verdict.VALID:
            continue
        judged += 1
        everything = [int(index) for index in history.columns.index]
        for name in DEFINITIONS:
            if name.startswith(("lease", "key")):
                blamed = Anomaly(name=name, sentence="", key="x", events=everything)
                result = Result(guarantee="", verdict=Verdict.INVALID, anomalies=[blamed])
                assert confirmed(result, history).confirmed_by is None, (name, steps)
    assert judged > 5


def test_versions_that_go_back_are_confirmed_by_the_order_of_the_replies():
    events = [
        Event(0, 0, 0, "invoke", "write", "k", 1),
        Event(1, 1, 0, "ok", "write", "k", 1, version=10),
        Event(2, 2, 1, "invoke", "read", "k"),
        Event(3, 3, 1, "ok", "read", "k", 1, version=7),
    ]
    result = VersionsNeverRegress().check(History.of(events), Limits())
    assert (result.verdict, result.confirmed_by) == (Verdict.INVALID, "definitions")
    assert result.anomalies[0].detail.certificate == {
        "kind": "version went back",
        "key": "k",
        "events": [0, 1, 2, 3],
    }
