"""Brings files of a member's log home, compressed, and reads them back from the folder of a run.

Logs are allocated ahead, and zeros from the last record on: the node looks for the first MiB of zeros and compresses
what is before it, and what is kept here ends at the last record.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import zstandard

from quorate.harness.core import safely
from quorate.harness.core.node import Node

_FILE_BYTES_MAX: Final = 160 << 20
_KEPT_BYTES_MAX: Final = 64 << 20
_COMMAND_S: Final = 20.0
_PAGE: Final = 4096
_SUFFIX: Final = ".zst"
# Of a file ($1), what is before its first MiB of zeros, compressed into another ($2). A record that such a MiB lies
# within is cut off, which its checksum tells.
PACK: Final = """
n=1
while [ "$(dd if="$1" bs=1048576 skip=$n count=1 2>/dev/null | tr -d '\\0' | head -c 1 | wc -c)" -gt 0 ]
do n=$((n + 1))
done
head -c $((n * 1048576)) "$1" | gzip -1 -c >"$2"
"""


async def names(node: Node, folder: str) -> list[str]:
    """List a folder of the node, sorted; empty where there is none."""
    listed = await node.run(["sh", "-c", f"cd {folder} && ls -1"], timeout_s=_COMMAND_S, check=False)
    return sorted(listed.stdout.split())


async def fetch(node: Node, source: str, folder: Path, name: str | None = None) -> None:
    """Copy a file of the node into a folder here, under its own name or another; raise `Broken` where that fails."""
    packed = f"{node.directory}/quorate-packed.gz"
    with tempfile.TemporaryDirectory(prefix="quorate-") as scratch:
        copy = Path(scratch) / "file"
        done = await node.run(["sh", "-c", PACK, "pack", source, packed], timeout_s=_COMMAND_S, check=False)
        await node.get(packed if done.code == 0 else source, copy)
        target = folder / f"{name or Path(source).name}{_SUFFIX}"
        await asyncio.to_thread(_repack, copy, target, zipped=done.code == 0)


def _repack(copy: Path, target: Path, *, zipped: bool) -> None:
    with copy.open("rb") as raw:
        stream = gzip.GzipFile(fileobj=raw) if zipped else raw
        content = stream.read(_FILE_BYTES_MAX)
    used = content.rstrip(b"\0")
    # A record may end in zeros: a page of them is left, which the reader takes for the end of the file.
    used += bytes(_PAGE)
    target.write_bytes(zstandard.ZstdCompressor().compress(used))


def kept(folder: Path, patterns: Sequence[str]) -> dict[str, bytes]:
    """Return the files kept in a folder by their names; raise `OSError` for one that cannot be read."""
    found = {}
    for pattern in patterns:
        for path in sorted(folder.glob(pattern + _SUFFIX)):
            packed = safely.contents(path, _KEPT_BYTES_MAX)
            try:
                reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed))
                found[path.name.removesuffix(_SUFFIX)] = reader.read(_FILE_BYTES_MAX)
            except zstandard.ZstdError as error:
                raise OSError(f"{path} is damaged: {error}") from error
    return found
