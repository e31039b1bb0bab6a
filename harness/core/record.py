"""What `test.json` holds: what was asked for, on what it ran, and how it was conducted.

Written before anything starts, and again during the run; `conducted` comes once the load has begun. Fields are
added to, not changed, and each has a default, so that records of other versions can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from quorate.harness.core import reading, store


class Versions(msgspec.Struct, frozen=True):
    """What ran: quorate, Python, the kernel, and the servers as they reported themselves, by node."""

    quorate: str = ""
    python: str = ""
    kernel: str = ""
    nodes: Mapping[str, str] = {}


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record. `options` are the fields of `Test`, from which the run can be repeated; the rest is for people.

    `conducted` is kept as it is: who judges the run again refuses it where it is damaged.
    `started` and `history_started` (the history's time 0) are dates in ISO format; durations are seconds.
    """

    name: str = ""
    system: str = ""
    release: str | None = None
    workload: Sequence[str] = ()
    faults: Sequence[str] = ()
    cluster: str = ""
    nodes: int | None = None
    clients: int = 0
    rate: float = 0.0
    time_s: float = 0.0
    timeout_s: float = 0.0
    seed: int | None = None
    settings: Mapping[str, str] = {}
    tuning: Mapping[str, str] = {}
    command: str = ""
    options: Mapping[str, Any] | UnsetType = UNSET
    started: str | None = None
    history_started: str | None = None
    run_id: str = "again"
    versions: Versions = Versions()
    argv: Sequence[str] = ()
    conducted: Any = UNSET

    def write(self, folder: Path) -> None:
        """Write it into the run's folder."""
        store.write_json(folder, store.TEST, msgspec.to_builtins(self))


def read(folder: Path) -> RunRecord:
    """Read it, what is damaged left out; raise `Broken` where the file is missing or is not an object."""
    return reading.record(store.read_json(folder, store.TEST), RunRecord, [], store.TEST)
