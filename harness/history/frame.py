"""Histories as pandas DataFrames, and back. pandas is imported at the first use: it takes a third of a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from harness.history.columns import INFO, INVOKE, KINDS, NEMESIS_PROCESS, NO_VERSION, NONE, Columns, Handles
from harness.history.event import NEMESIS, Event
from harness.history.native import HistoryError

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
    if "type" in frame.columns:
        return [_event(row) for row in frame.to_dict("records")]
    missing = {"process", "f", "outcome"} - set(frame.columns)
    if missing:
        msg = f"a DataFrame needs the columns of History.frame() or event_frame(); missing: {sorted(missing)}"
        raise HistoryError(msg)
    return _events_of_operations(frame.to_dict("records"))


def _events_of_operations(rows: list[Any]) -> list[Event]:
    """Order by recorded indexes where there are any, else by time, an invocation before a completion."""
    halves: list[tuple[tuple[float, float, int], int, dict[str, Any]]] = []
    for number, row in enumerate(rows):
        begun, ended = _float(row.get("invoked_s"), number), _float(row.get("completed_s"))
        common = {"process": row["process"], "f": row["f"], "key": row.get("key"), "node": row.get("node")}
        invoke = {**common, "type": "invoke", "value": row.get("asked"), "time": round(begun * _NS_PER_S)}
        index, completed = _number(row.get("index")), _number(row.get("completion_index"))
        halves.append(((index if index is not None else begun, begun, 0), number, invoke))
        if row["outcome"] == "info" and ended is None and completed in (None, -1):
            continue
        ended = begun if ended is None else ended
        done = {**common, "type": row["outcome"], "value": row.get("value"), "time": round(ended * _NS_PER_S)}
        done |= {"version": row.get("version"), "error": row.get("error")}
        place = completed if completed not in (None, -1) and index is not None else ended
        halves.append(((place, ended, 1), number, done))
    halves.sort(key=lambda half: half[0])
    begun_at: dict[int, int] = {}
    made = []
    for position, (_, number, fields) in enumerate(halves):
        link = begun_at.setdefault(number, position)
        event = _event({**fields, "index": position})
        made.append(msgspec.structs.replace(event, index_of_invoke=link) if link != position else event)
    return made


def _event(row: dict[Any, Any]) -> Event:
    process = row["process"]
    error = _value(row.get("error"))
    return Event(
        index=int(row["index"]),
        time=int(row["time"]),
        process=process if isinstance(process, str) else int(process),
        type=str(row["type"]),
        f=str(row["f"]),
        key=_value(row.get("key")),
        value=_value(row.get("value")),
        node=_value(row.get("node")),
        version=_number(row.get("version")),
        error=list(error) if error is not None else None,
        index_of_invoke=_number(row.get("index_of_invoke")),
    )


def _value(value: Any) -> Any:
    """Undo what pandas and numpy made of a value: missing is None, scalars are Python's."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, float) and np.isnan(value):
        return None
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value


def _number(value: Any) -> int | None:
    value = _value(value)
    return None if value is None else int(value)


def _float(value: Any, default: float | None = None) -> Any:
    value = _value(value)
    return default if value is None else float(value)


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
