"""The journal: events on disk as they happen, readable up to the last flush whatever kills the writer."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import zstandard

from quorate.harness.core.outcome import Broken
from quorate.harness.history.event import Event

FILE_NAME: Final = "history.jsonl.zst"
_LEVEL: Final = 3
# Events between two looks at the clock, and bytes that force a flush: both bound what a kill can lose.
_EVENTS_PER_LOOK: Final = 128
_BYTES_MAX: Final = 1 << 19

Subscriber = Callable[[Event], None]


class Journal:
    """Appends events to `history.jsonl.zst` as one zstd stream of JSON lines.

    A flush ends a compressed block, so that everything before it can be read back even if the process is killed at
    that instant or the disk is full. Flushes come every `flush_s` seconds: `append` looks at the clock now and then,
    and whoever drives the run calls `tick` every 50 ms, for times in which nothing is appended. Not to be shared
    between threads. The clock is real time, not the run's: it guards against real kills.
    """

    def __init__(self, path: str | Path, flush_s: float = 0.1) -> None:
        """Create the file, or its `history.jsonl.zst` if `path` is a folder; `Broken` if that cannot be."""
        path = Path(path)
        self.path = path / FILE_NAME if path.is_dir() else path
        self._flush_s = flush_s
        self._buffer = bytearray()
        self._encode = msgspec.json.Encoder().encode_into
        self._stream = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        self._subscribers: list[Subscriber] = []
        self._events = 0
        self._flushed_at = time.monotonic()
        self._pending = False
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Broken("journal", f"cannot create the history {self.path}: {error.strerror}") from error

    def __len__(self) -> int:
        """Return the number of events appended."""
        return self._events

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with every later event, in the appending thread; what it raises ends the run."""
        self._subscribers.append(subscriber)

    def append(self, event: Event) -> None:
        """Record an event. Raises `Broken` if the disk refuses; `TypeError` for a value that JSON cannot hold."""
        buffer = self._buffer
        length = len(buffer)
        try:
            self._encode(event, buffer, -1)
        except BaseException:
            del buffer[length:]
            raise
        buffer += b"\n"
        self._events += 1
        if not self._events % _EVENTS_PER_LOOK or len(buffer) >= _BYTES_MAX:
            self.tick()
        for subscriber in self._subscribers:
            subscriber(event)

    def tick(self) -> None:
        """Flush if the last flush is `flush_s` ago or much is waiting; cheap otherwise."""
        now = time.monotonic()
        if now - self._flushed_at >= self._flush_s or len(self._buffer) >= _BYTES_MAX:
            self.flush()
            self._flushed_at = now

    def flush(self) -> None:
        """Compress and write all that was appended. Raises `Broken` if the disk refuses."""
        if self._file < 0 or not self._buffer:
            return
        data = self._stream.compress(self._buffer)
        data += self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._buffer.clear()
        self._write(data)

    def close(self) -> None:
        """End the stream and hand it to the disk; safe to call twice. Raises `Broken` if the disk refuses."""
        if self._file < 0:
            return
        try:
            data = self._stream.compress(self._buffer) + self._stream.flush(
                zstandard.COMPRESSOBJ_FLUSH_FINISH
            )
            self._buffer.clear()
            self._write(data)
            os.fsync(self._file)
        except OSError as error:
            raise self._refused(error) from error
        finally:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            # What comes after a gap could not be decompressed: nothing more is written.
            os.close(self._file)
            self._file = -1
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> Broken:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        mend = "free some space or choose another --store" if full else "choose another --store"
        reason = "the disk is full" if full else str(error.strerror)
        return Broken(
            "journal", f"cannot write {self.path}: {reason}; {mend}. What was written before can be read."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
