"""A stored history: read from a run or a file in any known format, or made of events, and looked at as one likes."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast

import msgspec
import numpy as np

from quorate.harness.history import frame as frames
from quorate.harness.history import robustness
from quorate.harness.history.columns import INFO, INVOKE, NEMESIS_PROCESS, NONE, Columns
from quorate.harness.history.event import Event, Operation
from quorate.harness.history.export import write as export
from quorate.harness.history.native import About, Handle, HistoryError
from quorate.harness.history.source import Source

if TYPE_CHECKING:
    import pandas as pd

_EVENTS_PER_CHUNK: Final = 50_000
# Tables grow by doubling: what they take at some moment says little less than this of what they need.
_MARGIN: Final = 1.2
# How long the rest of a file that does not fit is read, to say how much it takes.
_COUNTING_S: Final = 10.0


class History:
    """The recorded events of one run, in real-time order.

    `truncated` says that the file ended in the middle (a killed writer): what was whole before it is all here.
    `format` is the syntax it came in (`jsonl`, `edn`, `text`), `source` where it came from. Positions count from 0;
    an event's `index` equals its position unless the history is a part of another. `timed` says whether any event had
    a time (without, times only count events), `notes` what is to be said of how the file was read, `own` whether every
    field means what the exchange format says, as in a journal of ours.
    """

    def __init__(
        self, handle: Handle, about: About, *, truncated: bool = False, source: str = "", own: bool = False
    ) -> None:
        """Wrap a finished native history; use `read` or `of`."""
        self.own = own
        self.handle = handle
        self.truncated = truncated or about.truncated
        self.format = about.format
        self.timed = about.timed
        self.notes = about.notes
        self.source = source

    @classmethod
    def read(
        cls,
        path: str | Path,
        format: str | None = None,  # noqa: A002 - the option's name everywhere
        *,
        keys: str = "auto",
        memory_bytes: int | None = None,
    ) -> Self:
        """Read a run's folder, a folder of Jepsen's store, or a file, `-` for standard input: plain, .gz or .zst.

        JSON lines, JSON, EDN or text, recognised by content unless `format` is given. `keys`: whether values are
        `[key value]` (`auto`: where it is proved). Raises `HistoryError` with the line of the first event that cannot
        be read or cannot be (a completion without an invocation, ...), or if the events take more than `memory_bytes`.
        A cut end is not an error, nor is a line that is not an event: `notes` has it.
        """
        if reports := robustness.files_of(Path(path)) if Path(path).is_dir() else []:
            return cls._of_reports(b"".join(b"".join(Source(one).chunks()) for one in reports), str(path))
        source = Source(path)
        try:
            chunks = source.chunks()
            first = next(chunks, b"")
            if format is None and robustness.is_report(first):
                return cls._of_reports(b"".join([first, *chunks]), source.name)
            handle = Handle(format, keys=keys, own=source.is_journal)
            read = 0
            for chunk in itertools.chain([first], chunks):
                handle.feed(chunk)
                read += len(chunk)
                if memory_bytes is not None and handle.memory() > memory_bytes:
                    raise _too_large(handle.memory(), memory_bytes, read, chunks)
            about = handle.finish()
        except HistoryError as error:
            raise HistoryError(error.text, error.line, source.name) from None
        return cls(handle, about, truncated=source.truncated, source=source.name, own=source.is_journal)

    @classmethod
    def _of_reports(cls, text: bytes, source: str) -> Self:
        """Read operations or watches of etcd's robustness tests; they are a few thousand lines."""
        events, notes = robustness.events_of(text.splitlines(), source)
        history = cls.of(events)
        history.notes, history.source = notes, source
        return history

    @classmethod
    def of(
        cls, events: Iterable[Event] | Iterable[Operation] | pd.DataFrame, *, settled: bool = False
    ) -> Self:
        """Make a history of events in order, of operations, or of a DataFrame as `frame` or `event_frame` give it.

        Operations are put in order by their events' indexes. `settled`: what the events of others leave open is settled
        as in their files: a value that only the completion has (an id that the service gave) is the operation's, and a
        refused compare-and-set with a reason saw nothing. Raises `HistoryError` as `read` does; its line is the
        event's position + 1.
        """
        is_frame = hasattr(events, "to_dict")
        items: list[Any] = frames.events_of(cast("pd.DataFrame", events)) if is_frame else list(events)
        # An event has a field for its key: values are never taken apart.
        handle = Handle("jsonl", keys="no", own=not settled)
        if items and isinstance(items[0], Operation):
            items = _unfold(items)
        # Sets have no order: equal ones must become equal texts.
        encoder = msgspec.json.Encoder(order="deterministic", enc_hook=_plain)
        for start in range(0, len(items), _EVENTS_PER_CHUNK):
            handle.feed(encoder.encode_lines(items[start : start + _EVENTS_PER_CHUNK]))
        return cls(handle, handle.finish(), source="events", own=not settled)

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.handle)

    @cached_property
    def columns(self) -> Columns:
        """The history as numpy arrays, without a copy."""
        return Columns(self.handle)

    def events(self) -> list[Event]:
        """Return all events. Built at the first call: checkers that can should use `columns`."""
        return self._events

    @cached_property
    def _events(self) -> list[Event]:
        # Millions of new lists make the garbage collector walk them all again and again, for nothing.
        collecting = gc.isenabled()
        gc.disable()
        try:
            chunks = range(0, len(self), _EVENTS_PER_CHUNK)
            return [event for start in chunks for event in self._decode(start, start + _EVENTS_PER_CHUNK)]
        finally:
            if collecting:
                gc.enable()

    def event(self, position: int) -> Event:
        """Return one event by its position, without building the others."""
        if not 0 <= position < len(self):
            msg = f"event {position} of a history of {len(self)}"
            raise IndexError(msg)
        return self._decode(position, position + 1)[0]

    def _decode(self, start: int, end: int) -> list[Event]:
        return _DECODER.decode_lines(self.handle.write("jsonl", start, end))

    def position(self, index: int) -> int:
        """Return the position of the event that carries this `index`; `KeyError` if there is none."""
        at = int(np.searchsorted(self.columns.index, index))
        if at == len(self) or self.columns.index[at] != index:
            raise KeyError(index)
        return at

    def operations(self) -> list[Operation]:
        """Return the clients' operations in the order of their invocations."""
        columns = self.columns
        return self._operations(np.flatnonzero((columns.process >= 0) & (columns.kind == INVOKE)))

    def nemesis(self) -> list[Operation]:
        """Return the nemesis' operations; where both halves are `info`, as in Jepsen, the first is the invocation."""
        columns = self.columns
        positions = np.arange(len(columns))
        alone = columns.pair == NONE
        begins = (columns.kind == INVOKE) | ((columns.kind == INFO) & (alone | (columns.pair > positions)))
        chosen = np.flatnonzero((columns.process == NEMESIS_PROCESS) & begins)
        few = [self.event(int(position)) for position in chosen]
        pairs = [int(columns.pair[position]) for position in chosen]
        none = int(NONE)
        return [
            Operation(event, None if pair == none else self.event(pair))
            for event, pair in zip(few, pairs, strict=True)
        ]

    def _operations(self, chosen: np.ndarray[Any, np.dtype[np.int64]]) -> list[Operation]:
        events = self.events()
        none = int(NONE)
        pairs = self.columns.pair[chosen].tolist()
        return [
            Operation(events[at], None if pair == none else events[pair])
            for at, pair in zip(chosen.tolist(), pairs, strict=True)
        ]

    def frame(self) -> pd.DataFrame:
        """Return the clients' operations as a DataFrame, one row each (see `frame.operations`)."""
        return frames.operations(self.columns)

    def event_frame(self) -> pd.DataFrame:
        """Return all events as a DataFrame, one row each, in the fields of the exchange format."""
        return frames.events(self.columns)

    def write(self, path: str | Path, format: str = "jsonl") -> None:  # noqa: A002
        """Write to a file as `jsonl`, Jepsen's `edn`, or `parquet`; .gz and .zst names are compressed.

        Parquet needs the extra `quorate[arrow]`. Unknown fields of imported events are kept (not in Parquet). Raises
        `HistoryError` for an unknown format, `OSError` if the file cannot be written.
        """
        export(self.handle, Path(path), format)


_DECODER: Final = msgspec.json.Decoder(Event)


def _plain(value: Any) -> Any:
    """Make numpy's numbers and arrays Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    kind = type(value).__name__
    msg = f"a value of type {kind} cannot stand in a history: record numbers, strings, lists, sets or dicts"
    raise HistoryError(msg)


def _too_large(taken: int, allowed: int, read: int, rest: Iterable[bytes]) -> HistoryError:
    """Refuse a history that takes more memory than allowed, and say how much: `read` bytes of its text took `taken`.

    The rest is counted and not kept: how much text a compressed file still holds, its size does not say.
    """
    deadline = time.monotonic() + _COUNTING_S
    total, words = read, "about"
    for chunk in rest:
        total += len(chunk)
        if time.monotonic() > deadline:
            words = "more than"
            break
    needed = _MARGIN * taken * total / max(read, 1) / 2**30
    return HistoryError(
        f"the history does not fit into the {allowed / 2**30:.2g} GiB that are allowed, it needs {words} "
        f"{needed:.2g} GiB: allow more memory (--check-memory), or judge a part of it"
    )


def _unfold(operations: Iterable[Any]) -> list[Event]:
    events = []
    for operation in operations:
        events.append(operation.invoke)
        if operation.completion is not None:
            events.append(operation.completion)
    return sorted(events, key=lambda event: event.index)
