"""A model in Python, as Go sees it: states, inputs and outputs are numbers, and Go calls back with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Self

from quorate.checkers.porcupine import library
from quorate.checkers.porcupine.records import Event, Model, Operation

_FAILED: Final = -2
_REFUSED: Final = -1


class Calls:
    """One history with one model: the items for Go, and the functions that it calls."""

    def __init__(self, model: Model, items: list[dict[str, Any]], values: list[Any], *, events: bool) -> None:
        self.items = items
        self.events = events
        self.parts: list[Sequence[Any]] = []
        self._model = model
        self._values = values
        self._states: list[Any] = []
        self._numbers: dict[Any, int] = {}
        self._texts: list[Any] = []
        self._error: BaseException | None = None

    @classmethod
    def of_operations(cls, model: Model, history: Sequence[Operation]) -> Self:
        """Split into parts, and describe."""
        parts = model.partition(history) if model.partition else [history]
        items: list[dict[str, Any]] = []
        values: list[Any] = []
        for at, part in enumerate(parts):
            for one in part:
                number = len(values)
                values += [one.input, one.output]
                told = model.describe_operation or _describe
                items.append(
                    {
                        "client": one.client_id,
                        "input": number,
                        "output": number + 1,
                        "call": one.call,
                        "return": one.return_,
                        "part": at,
                        "told": told(one.input, one.output),
                        "metadata": one.metadata,
                    }
                )
        made = cls(model, items, values, events=False)
        made.parts = list(parts)
        return made

    @classmethod
    def of_events(cls, model: Model, history: Sequence[Event]) -> Self:
        """Split into parts, and describe each operation at its return."""
        parts = model.partition_event(history) if model.partition_event else [history]
        items: list[dict[str, Any]] = []
        values: list[Any] = []
        told = model.describe_operation or _describe
        for at, part in enumerate(parts):
            asked: dict[int, Any] = {}
            for one in part:
                text = told(asked[one.id], one.value) if one.kind == "return" else ""
                if one.kind == "call":
                    asked[one.id] = one.value
                items.append(
                    {
                        "client": one.client_id,
                        "input": len(values),
                        "kind": one.kind,
                        "id": one.id,
                        "part": at,
                        "told": text,
                        "metadata": one.metadata,
                    }
                )
                values.append(one.value)
        made = cls(model, items, values, events=True)
        made.parts = list(parts)
        return made

    def again(self, model: Model) -> Calls:
        """The same history with fresh states, for drawing."""
        return Calls(model, self.items, self._values, events=self.events)

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Let Go do it; raises what a function of the model raised."""
        ffi, _ = library.opened()
        self._states, self._numbers = [], {}
        self._number(self._model.init())
        step = ffi.callback(
            "int64_t(int64_t, int64_t, int64_t)", self._step, error=_FAILED, onerror=self._failed
        )
        describe = ffi.callback("const char *(int64_t)", self._describe_state, onerror=self._failed)
        equal: Any = ffi.NULL
        if self._model.equal is not None:
            equal = ffi.callback("int32_t(int64_t, int64_t)", self._equal, error=0, onerror=self._failed)
        model = ffi.new("quorate_model *", {"step": step, "equal": equal, "describe": describe})
        answer = library.call(request, model=model)
        if self._error is not None:
            raise self._error
        return answer

    def _failed(self, _kind: object, error: BaseException, _trace: object) -> None:
        self._error = self._error or error

    def _number(self, state: Any) -> int:
        """The number of a state: an equal one's, if it can be looked up."""
        try:
            known = self._numbers.get(state)
        except TypeError:
            known = None
            state_can_be_found = False
        else:
            state_can_be_found = True
        if known is not None:
            return known
        number = len(self._states)
        self._states.append(state)
        if state_can_be_found:
            self._numbers[state] = number
        return number

    def _step(self, state: int, request: int, response: int) -> int:
        if self._error is not None:
            return _FAILED
        possible, after = self._model.step(self._states[state], self._values[request], self._values[response])
        return self._number(after) if possible else _REFUSED

    def _equal(self, one: int, other: int) -> int:
        same = self._model.equal
        return int(one == other or (same is not None and bool(same(self._states[one], self._states[other]))))

    def _describe_state(self, state: int) -> Any:
        ffi, _ = library.opened()
        describe = self._model.describe_state or str
        text = ffi.new("char[]", str(describe(self._states[state])).encode())
        self._texts.append(text)
        return text


def _describe(request: Any, response: Any) -> str:
    return f"{request} -> {response}"
