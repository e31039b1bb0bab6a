"""What can still be read of a damaged journal: whole lines before the damage, broken ones left out and said.

Whole journals are read by `harness.history`, which refuses damaged ones, as a checker must. A reader of a report would
rather see what is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import zstandard

from quorate.harness.core import safely
from quorate.harness.history.columns import FAIL, INFO, OK
from quorate.harness.history.event import NEMESIS, Event, Operation, Type
from quorate.harness.history.operations import NEVER
from quorate.reports.operations import VALUE_LENGTH_MAX, Operations, in_order

_PROBLEMS_MAX: Final = 3
# A year of nanoseconds: beyond it, the number itself is damaged.
_TIME_MAX: Final = 366 * 86_400 * 10**9
_CHUNK: Final = 1 << 20
_CODES: Final = {"ok": OK, "fail": FAIL, "info": INFO}


class _Line(msgspec.Struct, gc=False):
    index: int
    time: int
    process: int | str
    type: str
    f: str = ""
    key: msgspec.Raw = msgspec.Raw(b"null")
    value: msgspec.Raw = msgspec.Raw(b"null")
    node: str | None = None
    version: int | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")
    index_of_invoke: int | None = None


class _Texts:
    """Texts to numbers, in order of first appearance."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}

    def code(self, text: Any) -> int:
        known = self.known
        found = known.get(text)
        if found is None:
            found = known[text] = len(known)
        return found

    def texts(self) -> list[str]:
        return [
            text if isinstance(text, str) else bytes(text).decode("utf-8", "replace") for text in self.known
        ]


class _Row(msgspec.Struct, gc=False):
    """One operation: the columns of `Operations` that are read, not computed; codes are places in `_Texts`."""

    begin_ns: int
    process: int
    f: int
    key: int
    asked: int
    node: int
    place: int
    invoked: int
    end_ns: int = NEVER
    outcome: int = INFO
    got: int = 0
    error: int = 0
    version: int = -1
    completed: int = -1


class _Builder:
    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self.open: dict[int | str, int] = {}
        self.f, self.key, self.value, self.node, self.error = (_Texts() for _ in range(5))
        self.value.code(b"null")
        self.error.code(b"null")
        self.nemesis: list[_Line] = []

    def add(self, line: _Line) -> None:
        version = 0 if line.version is None else line.version
        if not (0 <= line.time < _TIME_MAX and 0 <= line.index < _TIME_MAX and -1 << 63 <= version < 1 << 63):
            msg = f"event {line.index} at {line.time} ns, version {line.version}"
            raise msgspec.DecodeError(msg)
        process = line.process
        if not isinstance(process, int):
            self.nemesis.append(line)
            return
        if line.type == "invoke":
            self.open[process] = len(self.rows)
            self.rows.append(self._begun(line, process))
            return
        position = self.open.pop(process, None)
        if position is None:
            return
        row = self.rows[position]
        row.end_ns = line.time
        row.outcome = _CODES.get(line.type, INFO)
        row.got = self.value.code(bytes(line.value)[:VALUE_LENGTH_MAX])
        if line.node:
            row.place = self.node.code(line.node)
        row.error = self.error.code(bytes(line.error))
        row.version = -1 if line.version is None else line.version
        row.completed = line.index

    def _begun(self, line: _Line, process: int) -> _Row:
        node = self.node.code(line.node or "")
        return _Row(
            begin_ns=line.time,
            process=process,
            f=self.f.code(line.f),
            key=self.key.code(bytes(line.key)),
            asked=self.value.code(bytes(line.value)[:VALUE_LENGTH_MAX]),
            node=node,
            place=node,
            invoked=line.index,
        )

    def build(self) -> Operations:
        columns = {
            field.name: np.array([getattr(row, field.name) for row in self.rows], dtype=np.int64)
            for field in msgspec.structs.fields(_Row)
        }
        begin = in_order(columns["begin_ns"] // 1000)
        ended = columns["end_ns"]
        return Operations(
            **columns,
            begin_us=begin,
            end_us=np.where(ended == NEVER, NEVER, np.maximum(ended // 1000, begin)),
            functions=self.f.texts(),
            keys=self.key.texts(),
            texts=self.value.texts(),
            nodes=self.node.texts(),
            errors=[_decoded(text) for text in self.error.texts()],
        )


def _decoded(text: str) -> Any:
    """Return the value that a JSON text stands for; the text itself where it is damaged."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return text


def _lines(path: Path, problems: list[str]) -> Iterator[bytes]:
    """Decompress as far as the file goes."""
    rest = b""
    try:
        with (
            safely.opened(path) as raw,
            zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader,
        ):
            while chunk := reader.read(_CHUNK):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
    except FileNotFoundError:
        problems.append(f"{path.name} is not there: there are no operations to show")
    except (OSError, zstandard.ZstdError) as error:
        problems.append(f"{path.name} is damaged; what stands before the damage is shown ({error})")
    if rest.strip():
        problems.append(f"{path.name} ends in the midst of a line; everything before it is shown")


def read(path: Path, problems: list[str]) -> tuple[Operations, list[Operation]]:
    """Read a damaged journal as far as it can be read; also what its nemesis did."""
    builder = _Builder()
    decode = msgspec.json.Decoder(_Line).decode
    bad = 0
    for line in _lines(path, problems):
        if not line:
            continue
        try:
            builder.add(decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            bad += 1
            if bad <= _PROBLEMS_MAX:
                problems.append(f"a line of {path.name} is left out: {error}")
    if bad > _PROBLEMS_MAX:
        problems.append(f"{bad - _PROBLEMS_MAX} more lines of {path.name} are left out")
    return builder.build(), list(_acts(event for line in builder.nemesis for event in _event(line)))


def _event(line: _Line) -> Iterator[Event]:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        value, error = msgspec.json.decode(line.value), msgspec.json.decode(line.error)
        told = [str(one) for one in error] if isinstance(error, list) else None
        yield Event(line.index, line.time, NEMESIS, line.type, line.f, value=value, error=told)


def _acts(events: Iterable[Event]) -> Iterator[Operation]:
    """Pair invocations with completions, of which either may be lost: the nemesis does one thing at a time."""
    begun: Event | None = None
    for event in events:
        if event.type == Type.INVOKE:
            if begun is not None:
                yield Operation(begun, None)
            begun = event
            continue
        mine = begun is not None and begun.f == event.f
        if begun is not None and not mine:
            yield Operation(begun, None)
        yield Operation(begun if begun is not None and mine else event, event)
        begun = None
    if begun is not None:
        yield Operation(begun, None)
