"""Brings files of a member's log home, compressed, and reads them back from the folder of a run.

Logs are allocated ahead, and zeros from the last record on: the node looks for the first MiB of zeros and compresses
what is before it, and what is kept here ends at the last record.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import re
import tarfile
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import zstandard

from quorate.harness.core import safely
from quorate.harness.core.memberlog import Start
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

_FILE_BYTES_MAX: Final = 160 << 20
_KEPT_BYTES_MAX: Final = 64 << 20
_COMMAND_S: Final = 20.0
_PAGE: Final = 4096
_PLAIN_MAX: Final = 6
_SUFFIX: Final = ".zst"
# Of each file ($2, …), what is before its first MiB of zeros, compressed below a folder ($1), and all of these in one
# archive. A record that such a MiB lies within is cut off, which its checksum shows.
PACK: Final = """
rm -rf "$1" && mkdir -p "$1" || exit 1
packed=$1; shift
for file; do
  n=1
  while [ "$(dd if="$file" bs=1048576 skip=$n count=1 2>/dev/null | tr -d '\\0' | head -c 1 | wc -c)" -gt 0 ]
  do n=$((n + 1))
  done
  head -c $((n * 1048576)) "$file" | gzip -1 -c >"$packed/${file##*/}.gz" || exit 1
done
cd "$packed" && tar -cf "../${packed##*/}.tar" -- *.gz
"""


async def names(node: Node, folder: str) -> list[str]:
    """List a folder of the node, sorted; empty where there is none."""
    listed = await node.run(["sh", "-c", f"cd {folder} && ls -1"], timeout_s=_COMMAND_S, check=False)
    return sorted(listed.stdout.split())


async def fetch(node: Node, sources: Sequence[str], folder: Path) -> None:
    """Copy files of the node, each under its name, into a folder here; raise `Broken` where that fails."""
    packed = f"{node.directory}/quorate-packed"
    done = await node.run(["sh", "-c", PACK, "pack", packed, *sources], timeout_s=_COMMAND_S, check=False)
    with tempfile.TemporaryDirectory(prefix="quorate-") as scratch:
        if done.code == 0:
            archive = Path(scratch) / "archive"
            await node.get(f"{packed}.tar", archive)
            await asyncio.to_thread(_unpack, archive, folder)
            return
        # A node without tar or gzip: a few files as they are, zeros and all.
        if len(sources) > _PLAIN_MAX:
            raise Broken("no-tar", f"{node.name} cannot pack {len(sources)} files: {done.stderr.strip()}")
        for source in sources:
            copy = Path(scratch) / "file"
            await node.get(source, copy)
            content = await asyncio.to_thread(copy.read_bytes)
            await asyncio.to_thread(_keep, content[:_FILE_BYTES_MAX], folder / Path(source).name)


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            packed = tar.extractfile(member) if member.isfile() else None
            if packed is not None:
                content = gzip.GzipFile(fileobj=packed).read(_FILE_BYTES_MAX)
                _keep(content, folder / Path(member.name).name.removesuffix(".gz"))


def _keep(content: bytes, target: Path) -> None:
    # A record may end in zeros: a page of them is left, which the reader takes for the end of the file.
    used = content.rstrip(b"\0") + bytes(_PAGE)
    target.with_name(target.name + _SUFFIX).write_bytes(zstandard.ZstdCompressor().compress(used))


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


def starts(log: Path, begins: re.Pattern[bytes], began: datetime | None) -> tuple[Start, ...]:
    """Return the starts that a server's own log shows: `begins` finds the date of each, in UTC where it names no zone.

    Their times are in seconds since the run began; one whose date cannot be read has none.
    """
    try:
        content = safely.contents(log, _KEPT_BYTES_MAX)
    except OSError:
        return ()
    return tuple(Start(_since(date, began), "") for date in begins.findall(content))


def _since(date: bytes, began: datetime | None) -> float | None:
    try:
        moment = datetime.fromisoformat(date.decode().replace(",", "."))
    except ValueError:
        return None
    if began is None:
        return None
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round((zoned - began).total_seconds(), 3)
