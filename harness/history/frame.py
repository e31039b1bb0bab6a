"""Histories as pandas DataFrames, and back. pandas is imported at the first use: it takes a third of a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from quorate.harness.history.columns import (
    INFO,
    INVOKE,
    KINDS,
    NEMESIS_PROCESS,
    NO_VERSION,
    NONE,
    Columns,
    Handles,
)
from quorate.harness.history.event import NEMESIS, Event
from quorate.harness.history.native import HistoryError

if TYPE_CHECKING:
    import pandas as pd

_NS_PER_S: Final = 1e9
_NS_PER_MS: Final = 1e6


def operations(columns: Columns) -> pd.DataFrame:
    """Return the clients' operations, one row each, in the order of their invocations.

    `process`, `f`, `key`; `asked` and `value`: what the invocation carried and what the completion did; `outcome`:
    `ok`, `fail` or `info` (also where no completion was recorded); `invoked_s`, `completed_s` in seconds since the
    start, `latency_ms` (both NaN without a completion); `node`, `version`, `error`; `index` and `completion_index` of
    the two events (-1: none).
    """
    import pandas as pd  # noqa: PLC0415

    at = np.flatnonzero((columns.kind == INVOKE) & (columns.process >= 0))
    pair = columns.pair[at]
    done = pair != NONE
    other = np.where(done, pair, 0).astype(np.int64)
    begun, ended = columns.time[at], columns.time[other]
    version = np.where(done, columns.version[other], NO_VERSION)
    node = np.where(columns.node[at] != 0, columns.node[at], np.where(done, columns.node[other], 0))
    return pd.DataFrame(
        {
            "process": columns.process[at],
            "f": columns.texts(columns.f[at]),
            "key": _objects(columns, columns.key[at]),
            "asked": _objects(columns, columns.value[at]),
            "value": _objects(columns, np.where(done, columns.value[other], 0).astype(np.uint32)),
            "outcome": np.array(KINDS, dtype=object)[np.where(done, columns.kind[other], INFO)],
            "invoked_s": begun / _NS_PER_S,
            "completed_s": np.where(done, ended / _NS_PER_S, np.nan),
            "latency_ms": np.where(done, (ended - begun) / _NS_PER_MS, np.nan),
            "node": _objects(columns, node.astype(np.uint32)),
            "version": _versions(version),
            "error": _objects(columns, np.where(done, columns.error[other], 0).astype(np.uint32)),
            "index": columns.index[at],
            "completion_index": np.where(done, columns.index[other], -1),
        }
    )


def events(columns: Columns, *, as_json: bool = False) -> pd.DataFrame:
    """Return all events, one row each, in the fields of the exchange format (`time` in ns); None where absent.

    `as_json` gives keys, values and errors as JSON texts, and processes as integers only (-1: nemesis).
    """
    import pandas as pd  # noqa: PLC0415

    positions = np.arange(len(columns))
    completes = (columns.pair != NONE) & (columns.pair < positions)
    begun = np.where(completes, columns.pair, 0).astype(np.int64)
    process: Any = columns.process
    if not as_json:
        process = process.astype(object)
        process[columns.process == NEMESIS_PROCESS] = NEMESIS
    link = pd.array(columns.index[begun] if len(columns) else columns.index, dtype="Int64")
    link[~completes] = pd.NA
    texts = _json if as_json else _objects
    return pd.DataFrame(
        {
            "index": columns.index,
            "time": columns.time,
            "process": process,
            "type": np.array(KINDS, dtype=object)[columns.kind],
            "f": columns.texts(columns.f),
            "key": texts(columns, columns.key),
            "value": texts(columns, columns.value),
            "node": _objects(columns, columns.node),
            "version": _versions(columns.version),
            "error": texts(columns, columns.error),
            "index_of_invoke": link,
        }
    )


def events_of(frame: pd.DataFrame) -> list[Event]:
    """Turn a frame of `events` or of `operations` back into events, in order."""
    is_events = "type" in frame.columns
    needed = {"process", "type", "f"} if is_events else {"process", "f", "outcome"}
    missing = sorted(needed - set(frame.columns))
    if missing:
        msg = f"a DataFrame needs the columns of History.frame() or event_frame(); missing: {', '.join(missing)}"
        raise HistoryError(msg)
    return _from_events(frame) if is_events else _from_operations(frame)


def _from_events(frame: pd.DataFrame) -> list[Event]:
    names = [name for name in Event.__struct_fields__ if name not in {"index", "time"}]
    cells = [_cells(frame, name) for name in names]
    count = range(len(frame))
    index = _cells(frame, "index") if "index" in frame.columns else list(count)
    time = _cells(frame, "time") if "time" in frame.columns else list(count)
    return [
        Event(number, at, **dict(zip(names, row, strict=True)))
        for number, at, row in zip(index, time, zip(*cells, strict=True), strict=True)
    ]


def _from_operations(frame: pd.DataFrame) -> list[Event]:
    """Order by recorded indexes where there are any, else by time, an invocation before a completion."""
    process, f, key = (_cells(frame, name) for name in ("process", "f", "key"))
    asked, value, outcome = (_cells(frame, name) for name in ("asked", "value", "outcome"))
    node, version, error = (_cells(frame, name) for name in ("node", "version", "error"))
    begun_s, ended_s = _cells(frame, "invoked_s"), _cells(frame, "completed_s")
    begun_at, ended_at = _cells(frame, "index"), _cells(frame, "completion_index")
    halves: list[tuple[tuple[float, float, int], int, bool]] = []
    for row in range(len(frame)):
        begun = begun_s[row] = row if begun_s[row] is None else begun_s[row]
        halves.append(((begun if begun_at[row] is None else begun_at[row], begun, 0), row, False))
        known = ended_at[row] is not None and ended_at[row] >= 0
        if outcome[row] == "info" and ended_s[row] is None and not known:
            continue
        ended = ended_s[row] = begun if ended_s[row] is None else ended_s[row]
        halves.append(
            ((ended_at[row] if known and begun_at[row] is not None else ended, ended, 1), row, True)
        )
    halves.sort(key=lambda half: half[0])
    made: list[Event] = []
    first: dict[int, int] = {}
    for index, (_, row, done) in enumerate(halves):
        who = (process[row], outcome[row] if done else "invoke", f[row], key[row])
        if done:
            time = round(ended_s[row] * _NS_PER_S)
            link = first[row]
            event = Event(index, time, *who, value[row], node[row], None, version[row], error[row], link)
        else:
            first[row] = index
            event = Event(index, round(begun_s[row] * _NS_PER_S), *who, asked[row], node[row])
        made.append(event)
    return made


# Types that need no second look on the way back from pandas.
_PLAIN: Final = frozenset({int, str, bool, list, dict, type(None)})
_INTEGERS: Final = frozenset({"index", "time", "version", "index_of_invoke", "completion_index"})


def _cells(frame: pd.DataFrame, name: str) -> list[Any]:
    """Return a column as Python values: what is missing, or of a column that is not there, is None."""
    if name not in frame.columns:
        return [None] * len(frame)
    cells: list[Any] = frame[name].tolist()
    cells = [cell if type(cell) in _PLAIN else _value(cell) for cell in cells]
    if frame[name].dtype.kind == "f" and name not in {"invoked_s", "completed_s"}:
        # pandas makes floats of integers beside a missing one; 1 and 1.0 would be two values to a checker.
        cells = [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in cells]
    elif name in _INTEGERS:
        cells = [None if cell is None else int(cell) for cell in cells]
    return cells


def _value(value: Any) -> Any:
    """Undo what pandas and numpy made of a value: missing is None, scalars are Python's."""
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, float) and np.isnan(value):
        return None
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value


def _objects(columns: Columns, handles: Handles) -> pd.Series[Any]:
    """Keep values as they are: pandas would make floats of integers beside None."""
    import pandas as pd  # noqa: PLC0415

    return pd.Series(columns.texts(handles), dtype=object)


def _json(columns: Columns, handles: Handles) -> pd.Series[Any]:
    import pandas as pd  # noqa: PLC0415

    encode = msgspec.json.Encoder().encode
    values = [None if value is None else encode(value).decode() for value in columns.texts(handles)]
    return pd.Series(values, dtype=object)


def _versions(versions: np.ndarray[Any, np.dtype[np.int64]]) -> Any:
    import pandas as pd  # noqa: PLC0415

    column = pd.array(versions, dtype="Int64")
    column[versions == NO_VERSION] = pd.NA
    return column
