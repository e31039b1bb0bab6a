"""What the linearizability engines answer: their JSON as records (checkers/native/linear/src/check.rs writes it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from quorate.harness.core.verdict import Verdict


class Part(msgspec.Struct, frozen=True):
    """One key that is not valid: positions of events where it is wrong, the reason where that is unknown.

    `events` are pairs of invocation and completion, the completion None where only the request counts. `second` is what
    the second judge said: `agrees`, `refuses`, `silent`, or nothing where it was not asked. `prefix` is the longest
    order found. `certificate` is what `checkers.refute` replays.
    """

    key: Any
    verdict: Verdict
    engine: str = ""
    operations: int = 0
    time_s: float = 0.0
    reason: str = ""
    prefix: Sequence[int] = ()
    minimal: bool = False
    culprit: int = -1
    events: Sequence[tuple[int, int | None]] = ()
    elements: list[Any] | None = None
    certificate: Mapping[str, Any] = {}
    confirmed_by: str | None = None
    second: str = ""


class Ordered(msgspec.Struct, frozen=True):
    """The order that explains one key: positions of invocations, as they took effect."""

    key: Any
    order: Sequence[int]


class Answer(msgspec.Struct, frozen=True):
    """The answer for a history; `keys` are the parts that are not valid, `tally` counts the parts by verdict."""

    verdict: Verdict
    engine: str
    reason: str
    operations: int
    tally: Mapping[str, int]
    keys: Sequence[Part]
    witness: Sequence[Ordered]
    bytes: int
    time_s: float

    def by(self, verdict: Verdict) -> list[Part]:
        """Return the parts with this verdict."""
        return [part for part in self.keys if part.verdict is verdict]

    def changed(self, part: Part, to: Part) -> Answer:
        """Return the answer with another word on one part; the verdict and the tally follow."""
        keys = [to if one is part else one for one in self.keys]
        tally = dict(self.tally)
        tally[part.verdict.value] -= 1
        tally[to.verdict.value] += 1
        worst = next((one for one in (Verdict.INVALID, Verdict.UNKNOWN) if tally[one.value]), Verdict.VALID)
        return msgspec.structs.replace(self, verdict=worst, keys=keys, tally=tally)
