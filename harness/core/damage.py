"""Damage on a stopped server's disk: which files and where in them, as a system's attribute `damage` knows."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken


class Corruption(msgspec.Struct, frozen=True):
    """Bytes of one file that are to be replaced: `new` at `offset`; or the file is to be cut off there (`new` None)."""

    path: str
    offset: int
    new: bytes | None
    about: str


class Damage(Protocol):
    """Kinds of damage, and finding the place for one."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """Every kind with a line on it; those that a run with mixed damage draws from come first."""
        ...

    @property
    def usual(self) -> tuple[str, ...]:
        """The kinds that are drawn when none is named: those that the service promises to notice, or to survive."""
        ...

    async def find(self, node: Node, kind: str, at: float, size: int) -> Corruption:
        """Return what to do to the files of a dead server; raise `Broken` where it has no such file.

        `at` (0 to 1) says where within what is used of the file, `size` how many bytes.
        """
        ...

    def folder_to_empty(self, node: Node) -> str | None:
        """Return the directory that operators empty for a damaged server to come back as who it was.

        None where the service wants it to come back as a new member (`membership`).
        """
        ...


async def newest(node: Node, pattern: str) -> str:
    """Return the path of the file that was written last among those that match; raise `Broken` where none does."""
    done = await node.run(["sh", "-c", f"ls -t {pattern} 2>/dev/null | head -n 1"], check=False)
    path = done.stdout.strip()
    if not path:
        raise Broken("no-such-file", f"{node.name} has no file {pattern}")
    return path


async def content(node: Node, path: str) -> bytes:
    """Return what is in a file of a node."""
    with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
        copy = Path(folder) / "copy"
        await node.get(path, copy)
        return await asyncio.to_thread(copy.read_bytes)


def flipped(path: str, data: bytes, offset: int) -> Corruption:
    """Return the flip of one bit."""
    return Corruption(
        path, offset, bytes([data[offset] ^ 1]), f"bit 0 of byte {offset} of {len(data)} is flipped"
    )
