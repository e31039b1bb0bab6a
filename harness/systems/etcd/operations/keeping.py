"""Brings a member's write-ahead log home, and reads it back from the folder of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.systems import keeping

_SEGMENTS_MAX: Final = 6  # etcd itself keeps five and the open one


async def keep(node: Node, data: str, folder: Path) -> None:
    """Copy the newest segments of the log in the data directory to the folder; raise `Broken` where that fails."""
    wal = f"{data}/member/wal"
    segments = [name for name in await keeping.names(node, wal) if name.endswith(".wal")]
    if not segments:
        raise Broken("no-such-file", f"{node.name} has no write-ahead log in {wal}")
    await keeping.fetch(node, [f"{wal}/{name}" for name in segments[-_SEGMENTS_MAX:]], folder)


def kept(folder: Path) -> dict[str, bytes]:
    """Return the segments kept in a folder by their names; raise `OSError` for a file that cannot be read."""
    return keeping.kept(folder, ("*.wal",))
