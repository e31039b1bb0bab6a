"""Unknown outcomes of a stored run, settled by the logs that it kept of its members."""

from __future__ import annotations

from pathlib import Path

from quorate.harness.core import store
from quorate.harness.history import History
from quorate.harness.memberlogs import reading
from quorate.harness.memberlogs.settling import Settled, settle


def resolve(folder: Path, history: History) -> tuple[History, Settled]:
    """Return the run's history with what its members' logs settle; raise `Broken` where test.json cannot be read."""
    nodes = store.read_json(folder, store.TEST).get("nodes")
    logs = reading.read(folder)
    return settle(history, logs, nodes if isinstance(nodes, int) else len(logs))
