"""Columns: a history as parallel numpy arrays, one entry per event, texts interned."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quorate.harness.history.native import Handle

INVOKE: Final = 0
OK: Final = 1
FAIL: Final = 2
INFO: Final = 3
KINDS: Final = ("invoke", "ok", "fail", "info")
NONE: Final = np.uint32(0xFFFFFFFF)
NO_VERSION: Final = np.int64(-(2**63))
NEMESIS_PROCESS: Final = -1
_SMALL: Final = 1 << 31

Ints = npt.NDArray[np.int64]
Handles = npt.NDArray[np.uint32]
Objects = npt.NDArray[np.object_]


class Columns:
    """Read-only views of the native columns.

    `index`, `time` (ns), `process` (-1: nemesis) and `version` (`NO_VERSION`: none) are int64; `kind` is uint8
    (0 invoke, 1 ok, 2 fail, 3 info); `f`, `key`, `value`, `node` and `error` are uint32 handles for `text`, equal
    exactly if the values are (0 is null; with the highest bit set, the rest is the integer itself); `pair` is uint32,
    the position of the event's other half or `NONE`.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self.index: Ints = handle.column("index")
        self.time: Ints = handle.column("time")
        self.process: Ints = handle.column("process")
        self.kind: npt.NDArray[np.uint8] = handle.column("kind")
        self.f: Handles = handle.column("f")
        self.key: Handles = handle.column("key")
        self.value: Handles = handle.column("value")
        self.version: Ints = handle.column("version")
        self.node: Handles = handle.column("node")
        self.error: Handles = handle.column("error")
        self.pair: Handles = handle.column("pair")
        self._texts: dict[int, Any] = {0: None}

    def __len__(self) -> int:
        return len(self.time)

    def text(self, handle: int) -> Any:
        """Return the Python value of one handle. Containers are shared: do not change them."""
        handle = int(handle)
        if handle >= _SMALL:
            return handle - _SMALL
        if handle not in self._texts:
            self._texts[handle] = self._handle.texts(np.array([handle], dtype=np.uint32))[0]
        return self._texts[handle]

    def texts(self, handles: Handles) -> Objects:
        """Return the Python values of many handles as an array of objects; each distinct one is decoded once."""
        distinct, places = np.unique(handles, return_inverse=True)
        values = np.empty(len(distinct), dtype=object)
        small = distinct >= _SMALL
        values[small] = (distinct[small] - np.uint32(_SMALL)).astype(np.int64).astype(object)
        decoded = self._handle.texts(distinct[~small])
        for place, value in zip(np.flatnonzero(~small), decoded, strict=True):
            values[place] = value
        chosen: Objects = values[places]
        return chosen
