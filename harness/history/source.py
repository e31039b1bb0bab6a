"""Bytes of a history file: plain, gzip or zstd, recognised by content, whole or cut short."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from quorate.harness.history.journal import FILE_NAME
from quorate.harness.history.native import HistoryError

_CHUNK: Final = 1 << 20
_BITE: Final = 4 << 10
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_OTHERS: Final = {
    b"BZh": "is compressed with bzip2",
    b"\xfd7zX": "is compressed with xz",
    b'\x04"M\x18': "is compressed with lz4",
    b"PK\x03\x04": "is a zip archive",
    b"PAR1": "is Parquet",
    b"\xff\xfe": "is text in UTF-16",
    b"\xfe\xff": "is text in UTF-16",
}
_GZIP_WINDOW: Final = 31
# Frames need no larger window than this: no file can demand gigabytes.
_WINDOW_MAX: Final = 128 << 20


# What a folder of Jepsen's store holds, the most complete first.
_JEPSEN: Final = (
    "history.edn",
    "history.edn.gz",
    "history.jsonl",
    "history.json",
    "history.txt",
    "jepsen.log",
)
STANDARD_INPUT: Final = "-"


class Source:
    """The text of a file in chunks. `truncated` says, once it was read, that a compressed file had no end.

    `is_journal`: the file is the journal in a run's folder.
    """

    def __init__(self, path: str | Path) -> None:
        """Find the file: `path` itself, the history inside a folder, or standard input for `-`."""
        self.path = Path(path)
        self.name = "standard input" if str(path) == STANDARD_INPUT else str(self.path)
        if self.path.is_dir():
            self.path = history_in(self.path) or self.path / FILE_NAME
            self.name = str(self.path)
            if self.path.exists() and not self.path.is_file():  # a FIFO in somebody's store would hang
                raise HistoryError("it is not a regular file", source=self.name)
        self.is_journal = self.path.name == FILE_NAME
        self.truncated = False

    def chunks(self) -> Iterator[bytes]:
        """Yield the text. Raises `HistoryError` if the file cannot be opened or is damaged (not merely cut)."""
        try:
            with self._opened() as file:
                # Pipes give what they have and cannot go back: the first bytes are kept.
                magic = _first(file)
                for other, what in _OTHERS.items():
                    if magic.startswith(other):
                        msg = f"the file {what}: give JSON lines, JSON, EDN or text in UTF-8, plain, .gz or .zst"
                        raise HistoryError(msg, source=self.name)
                if magic.startswith(_ZSTD_MAGIC):
                    yield from self._zstd(self._bites(file, magic, _BITE))
                elif magic.startswith(_GZIP_MAGIC):
                    yield from self._gzip(self._bites(file, magic, _CHUNK // 4))
                else:
                    yield from self._bites(file, magic, _CHUNK)
        except (zstandard.ZstdError, zlib.error) as error:
            msg = f"the compressed file is damaged, copy or fetch it again: {error}"
            raise HistoryError(msg, source=self.name) from error
        except OSError as error:
            raise HistoryError(error.strerror or str(error), source=self.name) from error

    def _opened(self) -> AbstractContextManager[BinaryIO]:
        if self.name == "standard input":
            return nullcontext(sys.stdin.buffer)
        return self.path.open("rb")

    def _bites(self, file: BinaryIO, first: bytes, size: int) -> Iterator[bytes]:
        data = first + file.read(size - len(first))
        while data:
            yield data
            data = file.read(size)

    def _zstd(self, bites: Iterator[bytes]) -> Iterator[bytes]:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX)
        frame = decompressor.decompressobj()
        started = False
        # Small bites: four bytes of zstd can be 128 KiB of text, and all of a bite comes out at once.
        for bite in bites:
            data = bite
            while data:
                if frame.eof:
                    frame, started = decompressor.decompressobj(), False
                started = True
                if text := frame.decompress(data):
                    yield text
                data = frame.unused_data if frame.eof else b""
        self.truncated = started and not frame.eof

    def _gzip(self, bites: Iterator[bytes]) -> Iterator[bytes]:
        member = zlib.decompressobj(_GZIP_WINDOW)
        for bite in bites:
            data = bite
            while data:
                if member.eof:
                    member = zlib.decompressobj(_GZIP_WINDOW)
                if text := member.decompress(data, _CHUNK):
                    yield text
                data = member.unused_data if member.eof else member.unconsumed_tail
        self.truncated = not member.eof


def history_in(folder: Path) -> Path | None:
    """Find the history in a run's folder or in one of Jepsen's store; None where there is none."""
    return next((folder / name for name in (FILE_NAME, *_JEPSEN) if (folder / name).is_file()), None)


def _first(file: BinaryIO) -> bytes:
    """Read the four bytes that show how a file is compressed, or as many as there are."""
    data = b""
    while len(data) < len(_ZSTD_MAGIC):
        more = file.read(len(_ZSTD_MAGIC) - len(data))
        if not more:
            break
        data += more
    return data
