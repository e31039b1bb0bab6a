"""Is the history linearizable? The native engines decide, key by key; this module asks them and reports the evidence.

See docs/decisions/engines.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from quorate.checkers import legal
from quorate.checkers.explain import Told, general, when
from quorate.checkers.models import MODELS
from quorate.checkers.second import by_porcupine
from quorate.harness.core.counterexample import READ, trimmed
from quorate.harness.core.evidence import Contradiction
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict, proven
from quorate.harness.history import History
from quorate.harness.history.columns import FAIL, INVOKE, NONE, OK
from quorate.harness.history.native import Stop
from quorate.harness.history.native import check as ask

# The engines' word for a key that was given up because another one settles the verdict.
_SETTLED: Final = "not decided, because another key is already invalid"
# Anomalies reported in full; the rest are counted.
_TOLD_MAX: Final = 20
# A contradiction of more operations than this was not made small; those next to its culprit stand for it.
_EVIDENCE_MAX: Final = 5_000
_NEAR: Final = 100
_BYTES_PER_MB: Final = 1e6
_NS: Final = 1e9


class Witness(msgspec.Struct, frozen=True):
    """An order that explains one key: positions of invocations, as they took effect."""

    key: Any
    order: Sequence[int]


class Judgement(msgspec.Struct, frozen=True):
    """A result, the witness of each valid key, and of each undecided key the longest order that was found."""

    result: Result
    witnesses: Sequence[Witness]
    prefixes: Sequence[Witness] = ()


class Linearizable:
    """Every key (or, with `per_key=False`, the whole history as one object) is linearizable as `model`.

    `engine` is `auto` or `search` (only the general search). `initial` is what the object holds before the first
    operation: None for registers, 0 for counters, empty for the others. What near-linear procedures decide is decided
    for every key; once one is invalid, the costly searches of others can change no verdict and are given up, unless
    `every_key` asks for them.
    """

    name = "linearizable"

    def __init__(
        self,
        model: str = "register",
        *,
        per_key: bool = True,
        initial: Any = None,
        engine: str = "auto",
        every_key: bool = False,
    ) -> None:
        if model not in MODELS:
            msg = f'unknown model "{model}" (known: {", ".join(MODELS)})'
            raise ValueError(msg)
        self.model = model
        self.per_key = per_key
        self.initial = initial
        self.engine = engine
        self.every_key = every_key

    def check(self, history: History, limits: Limits) -> Result:
        """Judge within the limits. `unknown` names the limit that was hit; it never raises for a bad history."""
        return self.judge(history, limits, witness=False).result

    def judge(
        self, history: History, limits: Limits, *, witness: bool = True, stop: Stop | None = None
    ) -> Judgement:
        """Judge and hand out the evidence as well. `stop.set()` from another thread ends it as `unknown`."""
        cpu = time.process_time()
        request = {
            "engine": f"linear:{self.engine}",
            "model": self.model,
            "per_key": self.per_key,
            "initial": self.initial,
            "time_s": limits.search_s,
            "memory_bytes": limits.search_bytes,
            "witness": witness,
            "explain": True,
            "every_key": self.every_key,
        }
        answer = ask(history, request, stop)
        if "error" in answer:
            raise ValueError(answer["error"])
        answer = self._replayed(history, self._asked_again(history, answer, limits))
        result = self._result(history, answer, time.process_time() - cpu)
        witnesses = [Witness(one["key"], one["order"]) for one in answer["witness"]]
        prefixes = [Witness(one["key"], one["prefix"]) for one in answer["keys"] if one.get("prefix")]
        return Judgement(result, witnesses, prefixes)

    def _asked_again(self, history: History, answer: dict[str, Any], limits: Limits) -> dict[str, Any]:
        """What no judge in the native core could confirm is put before Porcupine."""
        open_parts = [part for part in answer["keys"] if part.get("second") == "silent"]
        for part in open_parts if answer["verdict"] == Verdict.UNKNOWN.value else ():
            certificate = _certificate(history, part)
            name = by_porcupine(
                history, self.model, certificate, limits, initial=self.initial, per_key=self.per_key
            )
            if name is not None:
                part |= {"verdict": Verdict.INVALID.value, "confirmed_by": name}
                tally = dict(answer["tally"])
                tally["unknown"] -= 1
                tally["invalid"] += 1
                return answer | {"verdict": Verdict.INVALID.value, "tally": tally}
        return answer

    def _replayed(self, history: History, answer: dict[str, Any]) -> dict[str, Any]:
        """What the native core knows by one step alone must be wrong by the model's record as well."""
        if MODELS[self.model].apart or answer["verdict"] != Verdict.INVALID.value:
            return answer
        from quorate.checkers.refute import refute  # noqa: PLC0415 - only what is invalid needs it
        from quorate.checkers.second_objects import TooLargeError  # noqa: PLC0415

        events, tally = list(history.events()), dict(answer["tally"])
        for part in answer["keys"]:
            if part["verdict"] != Verdict.INVALID.value:
                continue
            try:
                certificate = _certificate(history, part)
                why = refute(events, self.model, certificate, initial=self.initial, per_key=self.per_key)
            except TooLargeError:
                why = "replaying it takes too long"
            if why is not None:
                part |= {
                    "verdict": Verdict.UNKNOWN.value,
                    "reason": f"{part['engine']} found no order, but the model's record does not confirm it: {why}",
                }
                tally["invalid"] -= 1
                tally["unknown"] += 1
        worst = Verdict.INVALID if tally["invalid"] else Verdict.UNKNOWN
        return answer | {"verdict": worst.value, "tally": tally}

    def _result(self, history: History, answer: Mapping[str, Any], cpu_s: float) -> Result:
        broken = [part for part in answer["keys"] if part["verdict"] == Verdict.INVALID.value]
        unknown = [part for part in answer["keys"] if part["verdict"] == Verdict.UNKNOWN.value]
        tally = answer["tally"]
        return proven(
            Result(
                guarantee=self.name,
                verdict=Verdict(answer["verdict"]),
                engine="native:" + answer["engine"] if answer["engine"] else "native",
                model=self.model,
                reason=_reason(broken, unknown),
                operations=answer["operations"],
                anomalies=[self._anomaly(history, part) for part in broken[:_TOLD_MAX]],
                time_s=answer["time_s"],
                cpu_s=cpu_s,
                memory_mb=answer["bytes"] / _BYTES_PER_MB,
                parts={str(part["key"]): part["verdict"] for part in broken + unknown},
                stats={
                    "keys": sum(tally.values()),
                    **{f"keys_{name}": count for name, count in tally.items()},
                    "explained": {
                        str(part["key"]): {
                            "operations": part["operations"],
                            "explained": len(part.get("prefix", ())),
                            "reason": part["reason"],
                        }
                        for part in unknown
                    },
                },
                confirmed_by=", ".join(sorted({part["confirmed_by"] for part in broken})) or None,
            ),
            history,
        )

    def _anomaly(self, history: History, part: Mapping[str, Any]) -> Anomaly:
        columns = history.columns
        if len(part["events"]) > _EVIDENCE_MAX:
            return self._vague(history, part)
        scope = part.get("elements")
        told = [Told.of(history, call, end, scope) for call, end in part["events"]]
        rest = _Key(history, part["key"])
        bad = next((one for one in told if one.position == part["culprit"]), told[-1])
        others = [one for one in told if one is not bad]
        name, sentence = MODELS[self.model].sentence(bad, others, rest) or general(bad, others)
        # What the name rests on is shown too: the counterexample by itself must be called the same.
        shown = {at for pair in part["events"] for at in pair if at is not None} | rest.used
        positions = sorted(shown)
        ends = [end for _, end in part["events"]]
        steps = legal.order(MODELS[self.model], told, ends, bad.position, self.initial)
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
            key=part["key"],
            events=[int(columns.index[at]) for at in positions],
            culprit=int(columns.index[part["culprit"]]),
            detail=detail,
        )

    def _vague(self, history: History, part: Mapping[str, Any]) -> Anomaly:
        """A contradiction that could not be made small in the time given: the culprit and what stands next to it."""
        columns = history.columns
        place = next(at for at, (call, _) in enumerate(part["events"]) if call == part["culprit"])
        near = part["events"][max(0, place - _NEAR) : place + _NEAR]
        call, end = part["events"][place]
        bad = Told.of(history, call, end)
        rest = len(part["events"]) - 1
        return Anomaly(
            name="no order",
            sentence=f"{bad.words()} {bad.when}, which fits no order with the {rest} operations before it",
            key=part["key"],
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


def _evidence(history: History, part: Mapping[str, Any]) -> Contradiction:
    return Contradiction(
        minimal=part["minimal"],
        engine=part["engine"],
        confirmed_by=part["confirmed_by"],
        certificate=_certificate(history, part),
    )


def _certificate(history: History, part: Mapping[str, Any]) -> dict[str, Any]:
    """What `quorate.checkers.refute` replays: the engines' own, with indexes of events for positions."""
    index = history.columns.index

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(one) for one in value]
        return int(index[value]) if isinstance(value, int) else value

    certificate = {name: named(value) for name, value in part["certificate"].items()}
    certificate |= {"key": part["key"]}
    return certificate | ({"elements": part["elements"]} if "elements" in part else {})


def _reason(broken: Sequence[Mapping[str, Any]], unknown: Sequence[Mapping[str, Any]]) -> str:
    if broken:
        told = f"{len(broken)} keys" if len(broken) > 1 else "the operations"
        given_up = sum(part["reason"] == _SETTLED for part in unknown)
        more = f"; {given_up} other key(s) {_SETTLED}" if given_up else ""
        return f"no order explains {told}{more}"
    if unknown:
        first = unknown[0]
        done = f"{len(first.get('prefix', ()))} of {first['operations']} operations explained"
        where = "" if first["key"] is None else f", key {first['key']}"
        return f"{first['reason']} ({done}{where})"
    return ""
