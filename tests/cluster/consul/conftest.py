"""Three real Consul servers, started once and shared: every test leaves them healthy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.consul import Consul
from tests.cluster.servers import Run, Servers, running


@pytest.fixture(scope="session")
def servers(run: Run) -> Iterator[Servers]:
    yield from running(run, Consul(SystemOptions(release="1.8.7", settings={"rpc_hold": "1s"})))
