"""The pytest plugin: options, fixtures and a summary with the command that repeats each failure.

Registered as `pytest11`, so every pytest run on a machine with quorate imports this module: it stays tiny and imports
the rest of quorate only inside fixtures (Hypothesis' plugin explains why).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from quorate.harness.testing import ClusterFactory, HistoryRecorder, RunFactory

_FAILURES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, in a separate group."""
    group = parser.getgroup("quorate", "consistency testing")
    group.addoption(
        "--quorate-seed", type=int, default=None, help="seed of runs and recorders [drawn and printed]"
    )
    group.addoption("--quorate-cluster", default="auto", help="auto, docker or local [auto]")
    group.addoption(
        "--quorate-time", default=None, help="how long each run takes, e.g. 30s [as the test says]"
    )
    group.addoption(
        "--quorate-store", default=None, help="where runs and failing histories are kept [a temporary folder]"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "quorate(**options): options of a run for the quorate_run fixture, as in harness.Test "
        "(system, workload, faults, time, …)",
    )
    config.stash[_FAILURES] = []


@pytest.fixture
def history_recorder(request: pytest.FixtureRequest, tmp_path: Path) -> HistoryRecorder:
    """Record what a test's own clients do, from any thread; see `quorate.harness.testing.HistoryRecorder`.

    A history that fails is kept under --quorate-store, or in the test's temporary folder.
    """
    from quorate.harness.testing import HistoryRecorder  # noqa: PLC0415 - keeps pytest's start quick

    store = request.config.getoption("--quorate-store")
    keep = Path(store) if store else tmp_path / "store"
    return HistoryRecorder(name=request.node.name, keep=keep, failures=request.config.stash[_FAILURES])


@pytest.fixture
def quorate_cluster(request: pytest.FixtureRequest) -> Iterator[ClusterFactory]:
    """Bring up clusters of any system, removed after the test; call it with a system and `nodes`."""
    from quorate.harness.testing import ClusterFactory  # noqa: PLC0415

    factory = ClusterFactory(kind=request.config.getoption("--quorate-cluster"))
    yield factory
    factory.close()


@pytest.fixture
def quorate_run(request: pytest.FixtureRequest, tmp_path: Any) -> RunFactory:
    """Run a whole test with the options of the marker and of the call; asserts the verdict."""
    from quorate.harness.testing import RunFactory  # noqa: PLC0415

    marker = request.node.get_closest_marker("quorate")
    config = request.config
    return RunFactory(
        options=dict(marker.kwargs) if marker else {},
        seed=config.getoption("--quorate-seed"),
        cluster=config.getoption("--quorate-cluster"),
        time=config.getoption("--quorate-time"),
        store=config.getoption("--quorate-store") or str(tmp_path / "store"),
        failures=config.stash[_FAILURES],
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print how to repeat each run that found something."""
    failures = config.stash.get(_FAILURES, [])
    if failures:
        terminalreporter.section("quorate: to repeat")
        for line in failures:
            terminalreporter.write_line(line)
