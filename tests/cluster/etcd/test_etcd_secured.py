"""Clusters of our own with TLS and a user: workloads and faults as without."""

from __future__ import annotations

import pytest

from quorate.harness.core.test import Test
from quorate.harness.run import run

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.mark.parametrize(
    ("workload", "faults"),
    [(("register",), ("kill", "partition")), (("watch",), ("kill",))],
)
def test_workloads_and_faults_are_as_without(tmp_path, workload, faults):
    done = run(
        Test(
            workload=workload,
            faults=faults,
            time=14.0,
            cluster="local",
            store=str(tmp_path),
            settings={"tls": "yes", "auth": "yes"},
        )
    )
    assert done.verdict == "valid", done.results.reason
