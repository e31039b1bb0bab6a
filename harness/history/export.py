"""Writing a history to a file in another format."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import zstandard

from quorate.harness.history.columns import Columns
from quorate.harness.history.native import Handle, HistoryError

_EVENTS_PER_CHUNK: Final = 50_000
FORMATS: Final = ("jsonl", "edn", "parquet")


def write(handle: Handle, path: Path, format: str) -> None:  # noqa: A002 - the option's name everywhere
    """Write a finished native history to `path`; see `History.write`."""
    if format not in FORMATS:
        msg = f'histories are not written as "{format}" (known: {", ".join(FORMATS)})'
        raise HistoryError(msg)
    if format == "parquet":
        _parquet(handle, path)
        return
    with _opened(path) as file:
        for start in range(0, len(handle), _EVENTS_PER_CHUNK):
            file.write(handle.write(format, start, start + _EVENTS_PER_CHUNK))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if path.suffix == ".gz":
        with gzip.open(path, "wb") as file:
            yield file
    elif path.suffix == ".zst":
        with path.open("wb") as raw, zstandard.ZstdCompressor().stream_writer(raw) as file:
            yield file
    else:
        with path.open("wb") as file:
            yield file


def _parquet(handle: Handle, path: Path) -> None:
    """Keys, values and errors are columns of JSON: their types differ from event to event."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        msg = "writing Parquet needs pyarrow: pip install 'quorate[arrow]'"
        raise HistoryError(msg) from error
    from quorate.harness.history import frame  # noqa: PLC0415 - pandas is loaded only where a frame is asked for

    table = pa.Table.from_pandas(frame.events(Columns(handle), as_json=True), preserve_index=False)
    parquet.write_table(table, path, compression="zstd")
