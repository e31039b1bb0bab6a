"""Brings a member's write-ahead log home, compressed, and reads it back from the folder of a run.

Segments are 64 MB each and zeros from the last record on: the node looks for the first MiB of zeros and compresses what
is before it, and what is kept here ends at the last record.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import tempfile
from pathlib import Path
from typing import Final

import zstandard

from quorate.harness.core import safely
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

_SEGMENTS_MAX: Final = 6  # etcd itself keeps five and the open one
_SEGMENT_BYTES_MAX: Final = 160 << 20
_KEPT_BYTES_MAX: Final = 64 << 20
_COMMAND_S: Final = 20.0
_PAGE: Final = 4096
# Of a file ($1), what is before its first MiB of zeros, compressed into another ($2). A record that such a MiB lies
# within is cut off, which its checksum tells.
PACK: Final = """
n=1
while [ "$(dd if="$1" bs=1048576 skip=$n count=1 2>/dev/null | tr -d '\\0' | head -c 1 | wc -c)" -gt 0 ]
do n=$((n + 1))
done
head -c $((n * 1048576)) "$1" | gzip -1 -c >"$2"
"""


async def keep(node: Node, data: str, folder: Path) -> None:
    """Copy the newest segments of the log in the data directory to the folder; raise `Broken` where that fails."""
    wal = f"{data}/member/wal"
    listed = await node.run(["sh", "-c", f"cd {wal} && ls -1"], timeout_s=_COMMAND_S, check=False)
    names = sorted(name for name in listed.stdout.split() if name.endswith(".wal"))
    if not names:
        raise Broken("no-such-file", f"{node.name} has no write-ahead log in {wal}")
    for name in names[-_SEGMENTS_MAX:]:
        await _fetch(node, f"{wal}/{name}", folder / f"{name}.zst")


async def _fetch(node: Node, source: str, target: Path) -> None:
    packed = f"{node.directory}/quorate-segment.gz"
    with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
        copy = Path(folder) / "segment"
        done = await node.run(["sh", "-c", PACK, "pack", source, packed], timeout_s=_COMMAND_S, check=False)
        await node.get(packed if done.code == 0 else source, copy)
        await asyncio.to_thread(_repack, copy, target, zipped=done.code == 0)


def _repack(copy: Path, target: Path, *, zipped: bool) -> None:
    with copy.open("rb") as raw:
        stream = gzip.GzipFile(fileobj=raw) if zipped else raw
        content = stream.read(_SEGMENT_BYTES_MAX)
    used = content.rstrip(b"\0")
    # A record may end in zeros: a page of them is left, which the reader takes for the end of the segment.
    used += bytes(_PAGE)
    target.write_bytes(zstandard.ZstdCompressor().compress(used))


def kept(folder: Path) -> dict[str, bytes]:
    """Return the segments kept in a folder by their names; raise `OSError` for a file that cannot be read."""
    segments = {}
    for path in sorted(folder.glob("*.wal.zst")):
        packed = safely.contents(path, _KEPT_BYTES_MAX)
        try:
            reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed))
            segments[path.name.removesuffix(".zst")] = reader.read(_SEGMENT_BYTES_MAX)
        except zstandard.ZstdError as error:
            raise OSError(f"{path} is damaged: {error}") from error
    return segments
