"""What a sequential object is, for the Python side of checking: its functions, its steps, its anomalies in words.

The engines have other semantics in Rust. For the models with `apart` so have `checkers.verify`, which replays
witnesses, `checkers.refute`, which replays contradictions, and Porcupine; for the others both replay by the step given
here, and nothing is called invalid without it. Tests compare them all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Literal

import msgspec

from quorate.checkers.explain import Named, Rest, Told

State = Hashable


class Operation(msgspec.Struct, frozen=True):
    """One operation as a model sees it; `known` is False where its outcome is not known, and `got` is None then."""

    process: int | str
    f: str
    asked: Any
    got: Any
    known: bool


class Model(msgspec.Struct, frozen=True):
    """A sequential object.

    `step` gives every state that can follow, none where the operation cannot happen; it raises `LookupError`,
    `TypeError` or `ValueError` for a function or a value that the object does not know. `sentence` names the anomaly
    that the first of these operations shows among the others, if it is one that has a name. `words` say a state.
    `looks` are the functions that never change the object. `apart`: verifiers and Porcupine write the semantics out
    again for this model.
    """

    name: str
    about: str
    functions: frozenset[str]
    step: Callable[[Any, Operation], Iterable[State]]
    sentence: Callable[[Told, Sequence[Told], Rest], Named | None]
    initial: State = None
    words: Callable[[Any], str] | None = None
    looks: frozenset[str] = frozenset()
    apart: bool = False

    def say(self, state: State) -> str:
        """A state as people write it; as JSON where the model has no words for it."""
        return self.words(state) if self.words is not None else msgspec.json.encode(plain(state)).decode()


class Frozen(msgspec.Struct, frozen=True):
    """A JSON list, or the sorted items of a map."""

    kind: Literal["list", "map"]
    items: tuple[Any, ...]


def frozen(value: Any) -> Any:
    """A JSON value as something that can be put into sets and compared."""
    if isinstance(value, list):
        return Frozen("list", tuple(map(frozen, value)))
    if isinstance(value, dict):
        return Frozen("map", tuple(sorted((key, frozen(one)) for key, one in value.items())))
    return value


def plain(state: Any) -> Any:
    """The JSON value that was frozen; a set as a sorted list."""
    match state:
        case Frozen(kind="list"):
            return [plain(one) for one in state.items]
        case Frozen(kind="map"):
            return {key: plain(one) for key, one in state.items}
        case frozenset():
            return sorted((plain(one) for one in state), key=repr)
        case tuple():
            return [plain(one) for one in state]
        case _:
            return state
