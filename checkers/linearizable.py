"""Is the history linearizable? The native engines decide, key by key; this module asks them and reports the evidence.

See docs/decisions/engines.md.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.answers import Answer, Ordered, Part
from quorate.checkers.linearizable_story import anomaly_of, certificate_of
from quorate.checkers.models import MODELS
from quorate.checkers.second import by_porcupine
from quorate.harness.core.verdict import Limits, Result, Verdict, proven
from quorate.harness.history import History
from quorate.harness.history.native import Stop
from quorate.harness.history.native import check as ask

# The engines' word for a key that was given up because another one settles the verdict.
_SETTLED: Final = "not decided, because another key is already invalid"
# Anomalies reported in full; the rest are counted.
_TOLD_MAX: Final = 20
_BYTES_PER_MB: Final = 1e6


class Judgement(msgspec.Struct, frozen=True):
    """A result, the witness of each valid key, and of each undecided key the longest order that was found."""

    result: Result
    witnesses: Sequence[Ordered]
    prefixes: Sequence[Ordered] = ()


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
        found = ask(history, request, stop)
        if "error" in found:
            raise ValueError(found["error"])
        answer = msgspec.convert(found, Answer)
        answer = self._replayed(history, self._asked_again(history, answer, limits))
        result = self._result(history, answer, time.process_time() - cpu)
        prefixes = [Ordered(part.key, part.prefix) for part in answer.keys if part.prefix]
        return Judgement(result, answer.witness, prefixes)

    def _asked_again(self, history: History, answer: Answer, limits: Limits) -> Answer:
        """What no judge in the native core could confirm is put before Porcupine."""
        silent = [part for part in answer.keys if part.second == "silent"]
        for part in silent if answer.verdict is Verdict.UNKNOWN else ():
            certificate = certificate_of(history, part)
            name = by_porcupine(
                history, self.model, certificate, limits, initial=self.initial, per_key=self.per_key
            )
            if name is not None:
                bad = msgspec.structs.replace(part, verdict=Verdict.INVALID, confirmed_by=name)
                return answer.changed(part, bad)
        return answer

    def _replayed(self, history: History, answer: Answer) -> Answer:
        """What the native core knows by one step alone must be wrong by the model's record as well."""
        if MODELS[self.model].apart or answer.verdict is not Verdict.INVALID:
            return answer
        from quorate.checkers.refute import refute  # noqa: PLC0415 - only what is invalid needs it
        from quorate.checkers.second_objects import TooLargeError  # noqa: PLC0415

        events = list(history.events())
        for part in answer.by(Verdict.INVALID):
            try:
                certificate = certificate_of(history, part)
                why = refute(events, self.model, certificate, initial=self.initial, per_key=self.per_key)
            except TooLargeError:
                why = "replaying it takes too long"
            if why is not None:
                reason = f"{part.engine} found no order, but the model's record does not confirm it: {why}"
                doubtful = msgspec.structs.replace(part, verdict=Verdict.UNKNOWN, reason=reason)
                answer = answer.changed(part, doubtful)
        return answer

    def _result(self, history: History, answer: Answer, cpu_s: float) -> Result:
        broken, unknown = answer.by(Verdict.INVALID), answer.by(Verdict.UNKNOWN)
        return proven(
            Result(
                guarantee=self.name,
                verdict=answer.verdict,
                engine="native:" + answer.engine if answer.engine else "native",
                model=self.model,
                reason=_reason(broken, unknown),
                operations=answer.operations,
                anomalies=[
                    anomaly_of(history, MODELS[self.model], part, self.initial) for part in broken[:_TOLD_MAX]
                ],
                time_s=answer.time_s,
                cpu_s=cpu_s,
                memory_mb=answer.bytes / _BYTES_PER_MB,
                parts={str(part.key): part.verdict.value for part in broken + unknown},
                stats={
                    "keys": sum(answer.tally.values()),
                    **{f"keys_{name}": count for name, count in answer.tally.items()},
                    "explained": {
                        str(part.key): {
                            "operations": part.operations,
                            "explained": len(part.prefix),
                            "reason": part.reason,
                        }
                        for part in unknown
                    },
                },
                confirmed_by=", ".join(sorted({part.confirmed_by or "" for part in broken})) or None,
            ),
            history,
        )


def _reason(broken: Sequence[Part], unknown: Sequence[Part]) -> str:
    if broken:
        told = f"{len(broken)} keys" if len(broken) > 1 else "the operations"
        given_up = sum(part.reason == _SETTLED for part in unknown)
        more = f"; {given_up} other key(s) {_SETTLED}" if given_up else ""
        return f"no order explains {told}{more}"
    if unknown:
        first = unknown[0]
        done = f"{len(first.prefix)} of {first.operations} operations explained"
        where = "" if first.key is None else f", key {first.key}"
        return f"{first.reason} ({done}{where})"
    return ""
