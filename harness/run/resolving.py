"""Unknown outcomes of a stored run, settled by the logs that it kept of its members."""

from __future__ import annotations

from pathlib import Path

from quorate.harness.core import record
from quorate.harness.history import History
from quorate.harness.memberlogs import reading
from quorate.harness.memberlogs.settling import Settled, settle


def resolve(folder: Path, history: History) -> tuple[History, Settled]:
    """Return the run's history with what its members' logs settle; raise `Broken` where test.json cannot be read."""
    nodes = record.read(folder).nodes
    logs = reading.read(folder)
    return settle(history, logs, len(logs) if nodes is None else nodes)
