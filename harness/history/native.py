"""The only door to the native core (`quorate._native`): histories as handles, checks as JSON in and out.

Everything here is thin: memory that the core hands out is copied or viewed, then given back. The interpreter lock is
released during every call, so a check can run beside a progress display.

See docs/decisions/histories.md.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

_MISSING: Final = (
    "the native core is not built: run `maturin develop --release` in a checkout, or `pip install .`"
)
KEYS: Final = ("auto", "yes", "no")
_REFUSED: Final = 1
_POLL_S: Final = 0.1
# Histories up to this size are first judged at once, on the caller's thread, for at most this time: most need less
# than a thread costs, and Ctrl-C can wait that long.
_SMALL_EVENTS: Final = 4_000
_AT_ONCE_S: Final = 0.05
# Number and element type of each column, as quorate_history_column counts them.
_COLUMNS: Final = {
    "index": (0, "<i8"),
    "time": (1, "<i8"),
    "process": (2, "<i8"),
    "version": (3, "<i8"),
    "kind": (4, "|u1"),
    "f": (5, "<u4"),
    "key": (6, "<u4"),
    "value": (7, "<u4"),
    "node": (8, "<u4"),
    "error": (9, "<u4"),
    "pair": (10, "<u4"),
}


class NativeMissingError(ImportError):
    """The compiled core is not there; the text says how to build it."""


class HistoryError(ValueError):
    """A history cannot be read: `line` (from 1; 0 where unknown) and what is wrong with it."""

    def __init__(self, text: str, line: int = 0, source: str = "") -> None:
        self.text = text
        self.line = line
        self.source = source
        where = ", ".join(part for part in (source, f"line {line}" if line else "") if part)
        super().__init__(f"{where}: {text}" if where else text)


class About(msgspec.Struct, frozen=True):
    """What the reader found.

    The format, whether the last event was cut short, how many events and texts, whether any event had a time, and what
    is to be said of how the file was read.
    """

    format: str | None
    truncated: bool
    events: int
    texts: int
    timed: bool = True
    notes: tuple[str, ...] = ()


@cache
def _core() -> tuple[Any, Any]:
    try:
        from quorate import _native  # noqa: PLC0415 - absent in a checkout that was not built
    except ImportError as error:
        raise NativeMissingError(_MISSING) from error
    return _native.ffi, _native.lib


def _call(function: str, *arguments: Any) -> bytes:
    """Call a function that ends in an out buffer; return the buffer's bytes, or raise what it refused."""
    ffi, lib = _core()
    out, length = ffi.new("uint8_t **"), ffi.new("uintptr_t *")
    code = getattr(lib, function)(*arguments, out, length)
    data = bytes(ffi.buffer(out[0], length[0]))
    lib.quorate_free(out[0], length[0])
    if code == 0:
        return data
    text = data.decode()
    if code == _REFUSED:
        raise HistoryError(text)
    raise RuntimeError(text)


class _Memory:
    """A column's memory, for numpy; holds the history so that the memory outlives every view of it."""

    def __init__(self, owner: Handle, address: int, length: int, kind: str) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "shape": (length,),
            "typestr": kind,
            "data": (address, True),
            "version": 3,
        }


class Handle:
    """A history inside the core: feed bytes, finish, then look at it. Not to be shared between threads while fed."""

    def __init__(self, format: str | None = None, *, keys: str = "auto", own: bool = False) -> None:  # noqa: A002 - the option's name everywhere
        """Begin a history; `own` is for quorate's journals, in which nothing is left open that had to be settled."""
        ffi, lib = _core()
        name = (format or "").encode()
        pointer = lib.quorate_history_new(name, len(name))
        if pointer == ffi.NULL:
            msg = f'unknown format "{format}" (known: jsonl, edn, text)'
            raise HistoryError(msg)
        self.pointer = ffi.gc(pointer, lib.quorate_history_free)
        word = keys.encode()
        if lib.quorate_history_settings(self.pointer, word, len(word), own):
            msg = f'keys: "{keys}" (known: {", ".join(KEYS)})'
            raise HistoryError(msg)

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes, cut anywhere. Raises `HistoryError` with the line of the first bad event."""
        ffi, _ = _core()
        self._line("quorate_history_feed", self.pointer, ffi.from_buffer("uint8_t[]", chunk), len(chunk))

    def finish(self) -> About:
        """End the input. Raises as `feed`."""
        self._line("quorate_history_finish", self.pointer)
        return msgspec.json.decode(_call("quorate_history_about", self.pointer), type=About)

    def _line(self, function: str, *arguments: Any) -> None:
        try:
            _call(function, *arguments)
        except HistoryError as error:
            reason = msgspec.json.decode(error.text)
            raise HistoryError(reason["text"], reason["line"]) from None

    def memory(self) -> int:
        """Return how many bytes the history takes so far."""
        _, lib = _core()
        return int(lib.quorate_history_bytes(self.pointer))

    def __len__(self) -> int:
        _, lib = _core()
        return int(lib.quorate_history_len(self.pointer))

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a read-only view of a column; it keeps the history alive."""
        ffi, lib = _core()
        number, kind = _COLUMNS[name]
        length = len(self)
        if length == 0:
            return np.empty(0, dtype=kind)
        address = int(ffi.cast("uintptr_t", lib.quorate_history_column(self.pointer, number)))
        return np.asarray(_Memory(self, address, length, kind))

    def texts(self, handles: npt.NDArray[np.uint32]) -> list[Any]:
        """Return the values that these handles stand for, in their order."""
        ffi, _ = _core()
        handles = np.ascontiguousarray(handles, dtype=np.uint32)
        pointer = ffi.cast("uint32_t *", ffi.from_buffer(handles)) if len(handles) else ffi.NULL
        return decode_lines(_call("quorate_history_text", self.pointer, pointer, len(handles)))

    def holding(self, needles: Sequence[bytes]) -> npt.NDArray[np.uint32]:
        """Return the positions of the events whose value, as compact JSON, holds one of these sequences of bytes."""
        text = b"\n".join(needles)
        return np.frombuffer(_call("quorate_history_holding", self.pointer, text, len(text)), dtype=np.uint32)

    def write(self, format: str, start: int, end: int) -> bytes:  # noqa: A002
        """Return the events from `start` to before `end`, one a line, in `jsonl` or `edn`."""
        name = format.encode()
        return _call("quorate_history_write", self.pointer, name, len(name), start, end)


def decode_lines(data: bytes) -> list[Any]:
    """Decode JSON values that stand one a line."""
    return list(msgspec.json.Decoder().decode_lines(data))


class Stop:
    """A flag that ends a running check soon after `set`, from any thread."""

    def __init__(self) -> None:
        ffi, _ = _core()
        self.flag = ffi.new("uint8_t *", 0)

    def set(self) -> None:
        """Ask the check to end."""
        self.flag[0] = 1


def check(history: Any, request: dict[str, Any], stop: Stop | None = None) -> dict[str, Any]:
    """Let an engine judge a history (`History`, or a `Handle`).

    `request` is the engine's own JSON object; its `engine` names the family: `linear` or `transactions`, with
    anything after a `:` left to the family. Returns the engine's answer. Ctrl-C stops the engine and is raised.
    Raises `HistoryError` for a request that no engine knows, `RuntimeError` for a bug in the core.
    """
    handle: Handle = history if isinstance(history, Handle) else history.handle
    linear = str(request.get("engine")).startswith("linear")
    if linear and stop is None and len(handle) <= _SMALL_EVENTS and request.get("time_s", 60.0) > _AT_ONCE_S:
        answer = _judge(handle, {**request, "time_s": _AT_ONCE_S}, None)
        if _whole(answer):
            return answer
        request = {**request, "time_s": request.get("time_s", 60.0) - _AT_ONCE_S}
    if threading.current_thread() is not threading.main_thread():
        return _judge(handle, request, stop)
    return _beside(handle, request, stop or Stop())


def _judge(handle: Handle, request: dict[str, Any], stop: Stop | None) -> dict[str, Any]:
    ffi, _ = _core()
    text = msgspec.json.encode(request)
    flag = ffi.NULL if stop is None else stop.flag
    decoded: dict[str, Any] = msgspec.json.decode(
        _call("quorate_check", handle.pointer, text, len(text), flag)
    )
    return decoded


def _whole(answer: dict[str, Any]) -> bool:
    """Whether more time would add nothing to this answer of the linearizability engines."""
    return "error" in answer or (
        "tally" in answer
        and answer["verdict"] != "unknown"
        and all(part["verdict"] != "unknown" and part.get("minimal", True) for part in answer["keys"])
    )


def _beside(handle: Handle, request: dict[str, Any], stop: Stop) -> dict[str, Any]:
    """Judge beside the main thread: a call into the core cannot be interrupted, and that one takes Ctrl-C."""
    outcome: list[dict[str, Any] | BaseException] = []
    ended = threading.Event()

    def work() -> None:
        try:
            outcome.append(_judge(handle, request, stop))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            outcome.append(error)
        finally:
            ended.set()

    # An event and not a join: an interrupted join of Python 3.11 takes the thread for ended.
    threading.Thread(target=work, name="check", daemon=True).start()
    try:
        while not ended.wait(_POLL_S):
            pass
    except BaseException:
        stop.set()
        ended.wait()
        raise
    answer = outcome[0]
    if isinstance(answer, BaseException):
        raise answer
    return answer
