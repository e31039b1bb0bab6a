"""Bytes of a history file: plain, gzip or zstd, told by content, whole or cut short."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
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


class Source:
    """The text of a file in chunks. `truncated` tells, once it was read, that a compressed file had no end."""

    def __init__(self, path: str | Path) -> None:
        """Find the file: `path` itself, or the journal inside a run's folder."""
        self.path = Path(path)
        if self.path.is_dir():
            self.path /= FILE_NAME
        self.truncated = False

    def chunks(self) -> Iterator[bytes]:
        """Yield the text. Raises `HistoryError` if the file cannot be opened or is damaged (not merely cut)."""
        try:
            with self.path.open("rb") as file:
                magic = file.read(4)
                file.seek(0)
                for other, what in _OTHERS.items():
                    if magic.startswith(other):
                        msg = f"the file {what}: give JSON lines, JSON, EDN or text in UTF-8, plain, .gz or .zst"
                        raise HistoryError(msg, source=str(self.path))
                if magic == _ZSTD_MAGIC:
                    yield from self._zstd(file)
                elif magic.startswith(_GZIP_MAGIC):
                    yield from self._gzip(file)
                else:
                    yield from iter(lambda: file.read(_CHUNK), b"")
        except (zstandard.ZstdError, zlib.error) as error:
            msg = f"the compressed file is damaged, copy or fetch it again: {error}"
            raise HistoryError(msg, source=str(self.path)) from error
        except OSError as error:
            raise HistoryError(error.strerror or str(error), source=str(self.path)) from error

    def _zstd(self, file: BinaryIO) -> Iterator[bytes]:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX)
        frame = decompressor.decompressobj()
        started = False
        # Small bites: four bytes of zstd can be 128 KiB of text, and all of a bite comes out at once.
        while data := file.read(_BITE):
            while data:
                if frame.eof:
                    frame, started = decompressor.decompressobj(), False
                started = True
                if text := frame.decompress(data):
                    yield text
                data = frame.unused_data if frame.eof else b""
        self.truncated = started and not frame.eof

    def _gzip(self, file: BinaryIO) -> Iterator[bytes]:
        member = zlib.decompressobj(_GZIP_WINDOW)
        while data := file.read(_CHUNK // 4):
            while data:
                if member.eof:
                    member = zlib.decompressobj(_GZIP_WINDOW)
                if text := member.decompress(data, _CHUNK):
                    yield text
                data = member.unused_data if member.eof else member.unconsumed_tail
        self.truncated = not member.eof
