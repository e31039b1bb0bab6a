"""The members' logs of a stored run, read by the system that wrote them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from quorate.harness.core import registry, store
from quorate.harness.core.memberlog import FOLDER, MemberLog


def read(folder: Path) -> list[MemberLog]:
    """Read what the run kept of its members' logs; empty where it kept none, or where its system has none to read.

    Raises `Broken` for a folder that is not a run's, `UnknownNameError` for a system that is not installed.
    """
    test = store.read_json(folder, store.TEST)
    system: Any = registry.find("systems", str(test.get("system", "")))
    reads = getattr(system, "member_logs", None)
    if reads is None:
        return []
    found: list[MemberLog] = reads(folder, _began(test.get("history_started")))
    return found


def _began(date: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(date) if isinstance(date, str) else None
    except ValueError:
        return None


def size(folder: Path) -> int:
    """How many bytes the kept logs of a run take, as they are on disk."""
    return sum(path.stat().st_size for path in (folder / "nodes").glob(f"*/{FOLDER}/*") if path.is_file())
