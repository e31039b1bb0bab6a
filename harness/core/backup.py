"""Backups of a service, as operators take and restore them, and what a run keeps of each: a file below `backups/`.

A system that offers this (`System.backups`) saves a snapshot by the service's own API, and restores it aside, into a
fresh single server of the same release; a fault does both under load, and judging compares what came back with what
clients had been promised (`checkers/backups.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from quorate.harness.core import safely
from quorate.harness.core.node import Cluster, Node
from quorate.harness.core.outcome import Broken

FOLDER: Final = "backups"
_BYTES_MAX: Final = 256 << 20


class Held(msgspec.Struct, frozen=True, gc=False):
    """What a restored server holds of one key, in the words of the client that wrote it (as `memberlog.Change`).

    Of a set or a queue each element is one. `version` is the position of the key's last change: revision, index, zxid.
    """

    space: str
    key: str
    value: Any
    version: int


class Reached(msgspec.Struct, frozen=True):
    """How far a member had come when it was asked for a snapshot, which must then hold all up to there.

    `position` is what it had itself applied (None: not known). `confirmed`: a quorum has confirmed that this is all
    that had been acknowledged by then.
    """

    position: int | None = None
    confirmed: bool = False


class Difference(msgspec.Struct, frozen=True):
    """A key of which the restored server holds something else than the cluster does at the same position, in words."""

    key: str
    of_backup: str
    of_cluster: str


class Restored(msgspec.Struct, frozen=True):
    """What came back: all that is `held` at `position`, and what was `verified` of the file, in words.

    Where that is not `exact` the backup holds everything up to its position, and may hold some of what came while it
    was written.

    `compared` is how many keys the cluster's own state at that position had, None where the service does not keep old
    states or could not be asked; `differences` are the first that differ.
    """

    position: int
    held: tuple[Held, ...] = ()
    verified: str = ""
    exact: bool = True
    compared: int | None = None
    differences: tuple[Difference, ...] = ()


class NotRestorableError(Exception):
    """The restoring tool, or the fresh server, finds the snapshot itself damaged; says so in its words."""


class Backups(Protocol):
    """How backups are saved and restored; everything asynchronous raises an `OutcomeError` where it cannot be done."""

    @property
    def keeps_past(self) -> bool:
        """Whether the service keeps old states, so that any backup can be compared with what the cluster held."""
        ...

    def missing(self) -> str | None:
        """Return why this release, or this server, can save or restore none, with what is needed; None where it can."""
        ...

    async def prepare(self, cluster: Cluster) -> None:
        """Put on installed nodes, before their servers start, what restoring needs; raise `Broken`."""
        ...

    async def save(self, node: Node, target: Path) -> Reached:
        """Save a snapshot of the member into the file, as it comes: where it is cut short, a part of it is there.

        Asks before how far the member has come, and returns that.
        """
        ...

    async def is_whole(self, source: Path) -> bool:
        """Whether the file is a whole snapshot by the checksum that it carries."""
        ...

    async def restore(self, cluster: Cluster, node: Node, source: Path) -> Restored:
        """Restore the file aside, on the machine of the node, read everything, and remove the server and its files.

        Raises `NotRestorableError`, and `Broken` for what is not the snapshot's doing.
        """
        ...


class Backup(msgspec.Struct, frozen=True, omit_defaults=True):
    """One backup, from the request to what came back.

    It was asked for `asked_s` after the injection began, and was here at `received_s`, `left_s` before its end.
    `whole`: the transfer was not cut. `refused` is why it would not be restored; else `restored` is what came back.
    """

    node: str
    asked_s: float
    received_s: float
    left_s: float
    size: int = 0
    whole: bool = True
    reached: Reached = Reached()
    refused: str = ""
    restored: Restored | None = None


def keep(run: Path, name: str, backup: Backup) -> None:
    """Write what is known of a backup into the folder of the run; raise `Broken` where the disk does not take it."""
    path = run / FOLDER / f"{name}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(msgspec.json.encode(backup))
    except OSError as error:
        raise Broken("store", f"cannot write {path}: {error.strerror}") from error


def kept(run: Path) -> Mapping[str, Backup]:
    """Read what a run kept, by name; a damaged file is left out."""
    found = {}
    for path in sorted((run / FOLDER).glob("*.json")):
        try:
            found[path.stem] = msgspec.json.decode(safely.contents(path, _BYTES_MAX), type=Backup)
        except (OSError, msgspec.DecodeError):
            continue
    return found
