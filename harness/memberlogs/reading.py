"""The members' logs of a stored run, read by the system that wrote them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from quorate.harness.core import record
from quorate.harness.core.memberlog import FOLDER, MemberLog
from quorate.harness.core.system import registered


def read(folder: Path) -> list[MemberLog]:
    """Read what the run kept of its members' logs; empty where it kept none, or where its system has none to read.

    Raises `Broken` for a folder that is not a run's, `UnknownNameError` for a system that is not installed.
    """
    run = record.read(folder)
    return registered(run.system).member_logs(folder, _began(run.history_started))


def _began(date: str | None) -> datetime | None:
    try:
        return None if date is None else datetime.fromisoformat(date)
    except ValueError:
        return None


def size(folder: Path) -> int:
    """How many bytes the kept logs of a run take, as they are on disk."""
    return sum(path.stat().st_size for path in (folder / "nodes").glob(f"*/{FOLDER}/*") if path.is_file())
