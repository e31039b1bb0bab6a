"""What our own clients failed to keep alive is not held against the service."""

from __future__ import annotations

import msgspec
import pytest

from quorate.harness.core.verdict import Anomaly, Result, Verdict
from quorate.harness.core.workload import Workload
from quorate.harness.generators import Invocation, repeat
from quorate.harness.run.conducted import Conducted
from quorate.harness.run.runner import DriveStats
from quorate.harness.run.standstill import excused, gate

TWICE = Result(
    "linearizable", Verdict.INVALID, anomalies=[Anomaly("double grant", "p2 took the lock that p3 held")]
)


async def nothing(client, invocation):
    raise AssertionError


LOCK = Workload("lock", (), repeat(Invocation("acquire")), nothing, None, (), None, (), kept_alive=True)


def conducted(stood_ms: float) -> Conducted:
    numbers = dict.fromkeys(DriveStats.__struct_fields__, 0)
    return Conducted(main=DriveStats(**{**numbers, "ended": "exhausted", "lag_ms_max": stood_ms}))


def test_a_lock_lost_while_the_harness_slept_is_unknown():
    (found,) = excused([TWICE], LOCK, conducted(10_000.0))
    assert found.verdict is Verdict.UNKNOWN
    assert "stood still for 10.0 s" in found.reason
    assert "p2 took the lock" in found.reason


@pytest.mark.parametrize(("kept_alive", "stood_ms"), [(True, 300.0), (False, 10_000.0)])
def test_everything_else_stays_an_anomaly(kept_alive, stood_ms):
    workload = msgspec.structs.replace(LOCK, kept_alive=kept_alive)
    assert excused([TWICE], workload, conducted(stood_ms)) == [TWICE]


@pytest.mark.parametrize(("stood_ms", "holds"), [(0.0, True), (1_500.0, True), (10_000.0, False)])
def test_a_run_that_slept_is_inconclusive(stood_ms, holds):
    assert gate(conducted(stood_ms)).holds is holds
