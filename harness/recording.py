"""Histories of a user's own tests: recorded from any thread, and asserted to be linearizable."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from quorate.harness.core.outcome import Refused, Unknown
from quorate.harness.core.store import HISTORY
from quorate.harness.core.verdict import Limits, Result, Verdict
from quorate.harness.history import Event, History


class Pending:
    """An operation under way; say how it ended with `ok`, `fail` or `info`. Left without a word, it is `info`."""

    def __init__(self, recorder: HistoryRecorder, begun: Event) -> None:
        self._recorder = recorder
        self._begun = begun
        self.ended = False

    def ok(self, value: Any = None) -> None:
        """It happened; `value` is what a read returned."""
        self._end("ok", value)

    def fail(self, code: str = "refused", text: str = "") -> None:
        """It certainly did not happen. When in doubt, say `info`."""
        self._end("fail", None, [code, text])

    def info(self, code: str = "unknown", text: str = "") -> None:
        """Unknown: it may have happened, or may yet."""
        self._end("info", None, [code, text])

    def _end(self, kind: str, value: Any, error: list[str] | None = None) -> None:
        if not self.ended:
            self.ended = True
            self._recorder._complete(self._begun, kind, value, error)  # noqa: SLF001 - two halves of one thing


class HistoryRecorder:
    """Records operations in real-time order; safe to use from any thread and from coroutines.

    Each concurrent client needs its own number or name; after an `info` it continues under a new one by itself.
    Values are what JSON can hold; sets (in any order), tuples, bytes and numpy's numbers are taken as such.

        with recorder.operation(client, "write", key="x", value=1) as operation:
            service.put("x", 1)          # an exception here is recorded as info
            operation.ok()
    """

    def __init__(
        self, name: str = "test", *, keep: Path | None = None, failures: list[str] | None = None
    ) -> None:
        """Record under a name; a history that fails is kept in a folder of that name within `keep`."""
        self.name = name
        self.keep = keep
        self.failures = failures if failures is not None else []
        self.events: list[Event] = []
        self._lock = threading.Lock()
        self._begun_ns = time.monotonic_ns()
        self._processes: dict[int, int] = {}
        self._named: dict[str, int] = {}
        self._step = 1 << 16

    @contextlib.contextmanager
    def operation(self, client: int | str, f: str, key: Any = None, value: Any = None) -> Iterator[Pending]:
        """Record one operation of a client; what the block raises is recorded and raised again."""
        begun = self._invoke(client, f, key, value)
        pending = Pending(self, begun)
        try:
            yield pending
        except Refused as error:
            pending.fail(error.code, error.text)
            raise
        except Unknown as error:
            pending.info(error.code, error.text)
            raise
        except BaseException as error:
            pending.info(type(error).__name__, str(error))
            raise
        finally:
            if not pending.ended:
                pending.info("no-word", "the block ended without ok, fail or info")

    def _invoke(self, client: int | str, f: str, key: Any, value: Any) -> Event:
        key, value = recordable(key), recordable(value)
        with self._lock:
            client = self._number(client)
            process = self._processes.setdefault(client, client)
            event = Event(
                len(self.events), time.monotonic_ns() - self._begun_ns, process, "invoke", f, key, value
            )
            self.events.append(event)
            return event

    def _number(self, client: int | str) -> int:
        """The number of a client; names are numbered from the top down, so that they never meet numbers."""
        if isinstance(client, str):
            return self._named.setdefault(client, self._step - 1 - len(self._named))
        if isinstance(client, bool) or not isinstance(client, int) or not 0 <= client < self._step:
            msg = f"client {client!r}: give each client a name, or a number from 0 to {self._step - 1}"
            raise ValueError(msg)
        return client

    def _complete(self, begun: Event, kind: str, value: Any, error: list[str] | None) -> None:
        value = recordable(value)
        with self._lock:
            event = Event(
                index=len(self.events),
                time=time.monotonic_ns() - self._begun_ns,
                process=begun.process,
                type=kind,
                f=begun.f,
                key=begun.key,
                value=begun.value if value is None and begun.f != "read" else value,
                error=error,
                index_of_invoke=begun.index,
            )
            self.events.append(event)
            if kind == "info":
                assert isinstance(begun.process, int)
                self._processes[begun.process % self._step] = begun.process + self._step

    def history(self) -> History:
        """Return what was recorded until now."""
        with self._lock:
            return History.of(list(self.events), settled=True)


def recordable(value: Any) -> Any:  # noqa: PLR0911 - a table
    """A value as the history holds it: equal values are recorded alike. Raises `TypeError` with what can be done.

    Sets become sorted lists, tuples lists, bytes text where they are UTF-8, and what has `item()` (numpy's numbers) the
    number in it; floats that are whole become integers, for 1.0 equals 1.
    """
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            return int(value) if isinstance(value, float) and value.is_integer() else value
        case set() | frozenset():
            return sorted((recordable(one) for one in value), key=msgspec.json.encode)
        case list() | tuple():
            return [recordable(one) for one in value]
        case dict():
            return {
                name: recordable(one) for name, one in sorted(value.items(), key=lambda pair: str(pair[0]))
            }
        case bytes() | bytearray():
            return bytes(value).decode(errors="backslashreplace")
    if hasattr(value, "tolist"):  # arrays and numbers of numpy
        return recordable(value.tolist())
    try:
        return msgspec.to_builtins(value)
    except TypeError as error:
        msg = f"a history cannot hold {value!r}: record numbers, texts, lists or maps of them ({error})"
        raise TypeError(msg) from error


def assert_linearizable(
    history: History | HistoryRecorder,
    model: str = "cas-register",
    *,
    limits: Limits | None = None,
    initial: Any = None,
) -> Result:
    """Raise AssertionError with the sentence that explains the anomaly; an undecided history fails as well.

    `initial` is what each object holds at the start. An empty history, or one without a single success, proves nothing
    and fails too. The history of a recorder that fails is kept, with a page and its counterexample.
    """
    __tracebackhide__ = True
    from quorate.checkers import check  # noqa: PLC0415 - checkers stand beside, not below
    from quorate.checkers.initial import UNSTATED  # noqa: PLC0415

    judged = history.history() if isinstance(history, HistoryRecorder) else history
    succeeded = sum(operation.outcome == "ok" for operation in judged.operations())
    assert succeeded > 0, "no operation succeeded: this history proves nothing"
    start = UNSTATED if initial is None else recordable(initial)
    result = check(judged, model=model, limits=limits or Limits(), initial=start)
    if result.verdict is Verdict.VALID:
        return result
    if result.verdict is Verdict.INVALID:
        told = "\n".join(anomaly.sentence for anomaly in result.anomalies) or result.reason
        text = f"not linearizable as {result.model}: {told}"
    else:
        text = f"not decided: {result.reason}"
    raise AssertionError(text + _kept(history, judged, result))


def _kept(recorder: History | HistoryRecorder, history: History, result: Result) -> str:
    """Keep what a recorder's failing test recorded, and say where."""
    if not isinstance(recorder, HistoryRecorder) or recorder.keep is None:
        return ""
    from quorate.reports.html import write  # noqa: PLC0415 - only where something failed
    from quorate.reports.recorded import keep  # noqa: PLC0415

    safe = "".join(letter if letter.isalnum() or letter in "+-_.@" else "_" for letter in recorder.name)
    folder = keep(recorder.keep / safe, history, result, recorder.name)
    page = write(folder)
    recorder.failures.append(f"quorate check {folder / HISTORY} --as {result.model}   # page: {page}")
    return f"\nhistory and counterexample: {folder}\npage: {page}"
