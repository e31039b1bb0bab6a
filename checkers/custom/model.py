"""What a user's own model is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import msgspec

Looks = Callable[[str, Any], bool]


class Model(msgspec.Struct, frozen=True):
    """A sequential object.

    `step(state, f, argument, result, known)` returns every state that can follow, none where the operation cannot
    happen; `known` is False where the outcome is unknown (then `result` is None). `hash` makes a state hashable
    where it is not; equal hashes must mean equal states. `describe` puts an operation into words. `looks(f, argument)`
    says of what never changes a state, whatever it is: without it the search takes longer.
    """

    name: str
    initial: Any
    step: Callable[[Any, str, Any, Any, bool], Iterable[Any]]
    hash: Callable[[Any], Hashable] | None = None
    describe: Callable[[str, Any, Any], str] | None = None
    looks: Looks | None = None
