from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import synthetic


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> dict[str, Path]:
    """Made-up runs, read by many tests and changed by none."""
    root = tmp_path_factory.mktemp("store")
    made = {kind: synthetic.make(root / kind / "run", kind=kind) for kind in ("register", "append", "lock")}
    for verdict in ("valid", "unknown"):
        made[verdict] = synthetic.make(root / verdict / "run", verdict=verdict)
    made["hostile"] = synthetic.make(root / "hostile" / "run", hostile=True)
    return made


@pytest.fixture
def run(tmp_path) -> Path:
    """A made-up run to damage."""
    return synthetic.make(tmp_path / "name" / "run", operations=600)
