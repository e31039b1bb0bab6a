"""What a user's own model is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import msgspec


class Model(msgspec.Struct, frozen=True):
    """A sequential object.

    `step(state, f, argument, result, known)` returns every state that can follow, none where the operation cannot
    happen; `known` is False where the outcome is unknown (then `result` is None). `hash` makes a state hashable
    where it is not; equal hashes must mean equal states. `describe` puts an operation into words.
    """

    name: str
    initial: Any
    step: Callable[[Any, str, Any, Any, bool], Iterable[Any]]
    hash: Callable[[Any], Hashable] | None = None
    describe: Callable[[str, Any, Any], str] | None = None
