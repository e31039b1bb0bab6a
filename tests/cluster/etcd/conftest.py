"""Three real etcd servers, started once and shared: every test leaves them healthy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.etcd import Etcd
from tests.cluster.servers import Run, Servers, running


@pytest.fixture(scope="session")
def servers(run: Run) -> Iterator[Servers]:
    yield from running(run, Etcd(SystemOptions()), timeout_s=2.0)
