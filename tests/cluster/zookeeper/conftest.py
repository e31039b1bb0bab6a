"""Three real ZooKeeper servers, started once and shared: every test leaves them healthy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.zookeeper import ZooKeeper
from tests.cluster.servers import Run, Servers, running


@pytest.fixture(scope="session")
def servers(run: Run) -> Iterator[Servers]:
    settings = {"container_check": "500ms", "enforce_quota": "yes"}
    yield from running(run, ZooKeeper(SystemOptions(release="3.9.4", settings=settings)))
