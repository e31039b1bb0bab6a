"""Three real ZooKeeper servers, started once and shared: every test leaves them healthy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from harness.systems.system import SystemOptions
from harness.systems.zookeeper import ZooKeeper
from tests.cluster.servers import Run, Servers, mark, outcome, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, "zookeeper")


@pytest.fixture(scope="session", name="outcome")
def outcome_fixture() -> Any:
    return outcome


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="session")
def servers(run: Run) -> Iterator[Servers]:
    settings = {"container_check": "500ms", "enforce_quota": "yes"}
    yield from running(run, ZooKeeper(SystemOptions(release="3.9.4", settings=settings)))
