"""A run's journal as operations and faults, whole or damaged."""

from __future__ import annotations

from pathlib import Path

from quorate.harness.core.injection import Injection, injections
from quorate.harness.core.store import HISTORY
from quorate.harness.history import History, HistoryError, NativeMissingError
from quorate.reports import operations, salvage
from quorate.reports.operations import Operations


def read(folder: Path, problems: list[str]) -> tuple[Operations, list[Injection]]:
    """Return a run's operations, and the faults that its nemesis recorded."""
    path = folder / HISTORY
    if path.exists() and not path.is_file():
        problems.append(f"{HISTORY} is not a regular file and was not read")
        return operations.none(), []
    if not path.exists():
        problems.append(f"{HISTORY} is not there: there are no operations to show")
        return operations.none(), []
    try:
        history = History.read(path)
        found = operations.of(history)
    except HistoryError as error:
        problems.append(f"{HISTORY} is damaged; what can still be read of it is shown: {error}")
        found, acts = salvage.read(path, problems)
        return found, injections(acts)
    except (NativeMissingError, OSError) as error:
        problems.append(f"{HISTORY} was read the slow way, without the native core ({error})")
        found, acts = salvage.read(path, problems)
        return found, injections(acts)
    if history.truncated:
        problems.append(
            f"{HISTORY} was cut short, as when the writer is killed; everything before that is shown"
        )
    return found, injections(history.nemesis())
