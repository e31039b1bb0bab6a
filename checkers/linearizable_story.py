"""An impossible operation in words: what the engines' contradiction is called, and the certificate that proves it.

See docs/decisions/certificates.md.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from quorate.checkers import legal
from quorate.checkers.answers import Part
from quorate.checkers.explain import Told, general, when
from quorate.checkers.models.model import Model
from quorate.harness.core.counterexample import READ, trimmed
from quorate.harness.core.evidence import Contradiction
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import History
from quorate.harness.history.columns import FAIL, INVOKE, NONE, OK

# A contradiction of more operations than this was not made small; those next to its culprit stand for it.
_EVIDENCE_MAX: Final = 5_000
_NEAR: Final = 100
_NS: Final = 1e9


def anomaly_of(history: History, model: Model, part: Part, initial: Any) -> Anomaly:
    """Name the contradiction and show the operations that it rests on."""
    columns = history.columns
    if len(part.events) > _EVIDENCE_MAX:
        return _vague(history, part)
    scope = part.elements
    told = [Told.of(history, call, end, scope) for call, end in part.events]
    rest = _Key(history, part.key)
    bad = next((one for one in told if one.position == part.culprit), told[-1])
    others = [one for one in told if one is not bad]
    name, sentence = model.sentence(bad, others, rest) or general(bad, others)
    # What the name rests on is shown too: the counterexample by itself must be called the same.
    shown = {at for pair in part.events for at in pair if at is not None} | rest.used
    positions = sorted(shown)
    ends = [end for _, end in part.events]
    steps = legal.order(model, told, ends, bad.position, initial)
    steps = [msgspec.structs.replace(one, operation=int(columns.index[one.operation])) for one in steps]
    detail = msgspec.structs.replace(_evidence(history, part), steps=steps)
    if scope is not None:
        # Beside the elements themselves: a read may have seen many thousands, and reports cut long values.
        reads = {
            str(columns.index[one.position]): trimmed(one.result, scope)
            for one in told
            if one.f == READ and one.kind == "ok"
        }
        detail = msgspec.structs.replace(detail, elements=scope, reads=reads)
    return Anomaly(
        name=name,
        sentence=sentence,
        key=part.key,
        events=[int(columns.index[at]) for at in positions],
        culprit=int(columns.index[part.culprit]),
        detail=detail,
    )


def _vague(history: History, part: Part) -> Anomaly:
    """A contradiction that could not be made small in the time given: the culprit and what stands next to it."""
    columns = history.columns
    place = next(at for at, (call, _) in enumerate(part.events) if call == part.culprit)
    near = part.events[max(0, place - _NEAR) : place + _NEAR]
    call, end = part.events[place]
    bad = Told.of(history, call, end)
    rest = len(part.events) - 1
    return Anomaly(
        name="no order",
        sentence=f"{bad.words()} {bad.when}, which fits no order with the {rest} operations before it",
        key=part.key,
        events=sorted(int(columns.index[at]) for pair in near for at in pair if at is not None),
        culprit=int(columns.index[call]),
        detail=msgspec.structs.replace(
            _evidence(history, part), minimal=False, left_out=rest + 1 - len(near)
        ),
    )


class _Key:
    """What the rest of the history says of a key."""

    def __init__(self, history: History, key: Any) -> None:
        self.history = history
        self.key = key
        # Positions of the events that the anomaly's name rests on.
        self.used: set[int] = set()

    def moved(self, since_s: float, value: Any) -> bool:
        """Whether a completed read of the key, called after this moment, saw another value."""
        columns = self.history.columns
        done = np.flatnonzero((columns.kind == OK) & (columns.pair != NONE))
        late = done[columns.time[columns.pair[done]] > since_s * _NS]
        for at in late.tolist():
            if columns.text(columns.f[at]) == "read" and columns.text(columns.key[at]) == self.key:
                seen = columns.text(columns.value[at])
                if seen is not None and seen != value:
                    self.used |= {at, int(columns.pair[at])}
                    return True
        return False

    def failed(self, value: Any) -> tuple[str, str] | None:
        """Who asked to write this value to the key and was refused, and when, if anybody."""
        columns = self.history.columns
        refused = np.flatnonzero((columns.kind == FAIL) & (columns.process >= 0) & (columns.pair != NONE))
        for at in refused.tolist():
            asked = int(columns.pair[at])
            f, argument = columns.text(columns.f[asked]), columns.text(columns.value[asked])
            left = argument[-1] if f == "cas" and isinstance(argument, list) and argument else argument
            if f in ("write", "cas") and left == value and columns.text(columns.key[asked]) == self.key:
                return f"p{int(columns.process[at])}", when(self.history, at)
        return None

    def released(self, process: int | str, since_s: float) -> float | None:
        """When the process first asked to give the lock back after this moment, in seconds."""
        columns = self.history.columns
        calls = np.flatnonzero((columns.kind == INVOKE) & (columns.process == process))
        for at in calls[columns.time[calls] >= since_s * _NS].tolist():
            if columns.text(columns.f[at]) == "release" and columns.text(columns.key[at]) == self.key:
                return float(columns.time[at] / _NS)
        return None


def _evidence(history: History, part: Part) -> Contradiction:
    return Contradiction(
        minimal=part.minimal,
        engine=part.engine,
        confirmed_by=part.confirmed_by or "",
        certificate=certificate_of(history, part),
    )


def certificate_of(history: History, part: Part) -> dict[str, Any]:
    """What `quorate.checkers.refute` replays: the engines' own, with indexes of events for positions."""
    index = history.columns.index

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(one) for one in value]
        return int(index[value]) if isinstance(value, int) else value

    certificate = {name: named(value) for name, value in part.certificate.items()}
    certificate |= {"key": part.key}
    return certificate if part.elements is None else certificate | {"elements": part.elements}
