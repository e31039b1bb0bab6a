"""Objects by consistency models other than linearizability: sequential, causal, PRAM, and the session guarantees.

A session is a process of the history; its operations are in its own order, and real time plays no part. The native
engine (`checkers/native/weak`) knows from unique values which write each read saw, derives what must come before what,
and looks for a circle (Bouajjani et al., "On verifying causal consistency", POPL 2017; Terry et al., "Session
guarantees for weakly consistent replicated data", PDIS 1994). Keys are taken together: sequential consistency of each
key says nothing of all. `names.DECIDED` says what is decided for which model. What the engine calls invalid,
`sessions_refute` has to confirm from the definitions.

Cannot see: which of several writes of one value a read saw. Such a history is `unknown` unless a stronger model
explains it, which is searched within the limits.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.consistency_story import contradiction, impossible
from quorate.checkers.linearizable import Linearizable
from quorate.checkers.names import OBJECT_CONSISTENCY, object_consistency_named
from quorate.checkers.second_objects import TooLargeError
from quorate.checkers.sessions_record import Answer, Certificate, Found
from quorate.checkers.sessions_refute import JUDGE, refute_sessions
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict, proven
from quorate.harness.history import History
from quorate.harness.history.native import check as ask

ENGINE: Final = "native:weak"
LINEARIZABLE: Final = "linearizable"
# What each level implies at once.
IMPLIES: Final[Mapping[str, Sequence[str]]] = {
    "linearizable": ("sequential",),
    "sequential": ("causal",),
    "causal": ("pram", "writes-follow-reads"),
    "pram": ("monotonic-reads", "monotonic-writes", "read-your-writes"),
}
LEVELS: Final = OBJECT_CONSISTENCY[1:]  # those below linearizable, stronger ones first
# Reads of what was never written that are reported.
_TOLD_MAX: Final = 20


class Consistency:
    """Every session sees a history of objects as `expect` promises.

    `expect` is a name of `LEVELS`, or Jepsen's spelling of it. Raises `ValueError` for an unknown name, never for a bad
    history. `stats["strongest"]` lists the strongest models that were proved, `stats["not"]` those that fail.
    """

    def __init__(self, expect: str, model: str = "register", *, initial: Any = None) -> None:
        self.expect = object_consistency_named(expect, model)
        self.name = self.expect
        self.model = model
        self.initial = initial

    def check(self, history: History, limits: Limits) -> Result:
        """Judge within the limits; `unknown` names the limit, or what is not known of the values."""
        return self.judge(history, limits)[0]

    def judge(self, history: History, limits: Limits) -> tuple[Result, Sequence[int]]:
        """Judge, and hand out the sequential order (positions of invocations) where one was found."""
        if self.expect == LINEARIZABLE:
            return Linearizable(self.model, initial=self.initial).check(history, limits), ()
        wall, cpu = time.perf_counter(), time.process_time()
        request = {
            "engine": "weak",
            "model": self.model,
            "initial": self.initial,
            "time_s": limits.search_s,
            "memory_bytes": limits.search_bytes,
        }
        answer = msgspec.convert(ask(history, request), Answer)
        levels = dict(answer.levels)
        if answer.impossible:
            levels = {name: Found(Verdict.INVALID.value) for name in LEVELS}
        if self.expect not in levels and answer.error is None:
            msg = f"{self.expect} of strings that are appended to is not decided: sequential and linearizable are"
            raise ValueError(msg)
        mine = levels.get(self.expect, Found(Verdict.UNKNOWN.value, answer.error or ""))
        anomalies = self._anomalies(history, answer, mine)
        verdict, reason, judge = Verdict(mine.verdict), mine.reason, None
        proved = [name for name in LEVELS if name in levels and levels[name].verdict == Verdict.VALID]
        failed = [name for name in LEVELS if name in levels and levels[name].verdict == Verdict.INVALID]
        strongest = strongest_of(proved)
        if verdict is Verdict.INVALID:
            anomalies, doubt = self._confirmed(history, anomalies)
            reason = (
                f"not {self.expect}; what still holds is {' and '.join(strongest) or 'none of the others'}"
            )
            judge = JUDGE
            if not anomalies:
                verdict, judge = Verdict.UNKNOWN, None
                reason = f"{ENGINE} found no {self.expect} order, but no second judge confirmed that: {doubt}"
        result = Result(
            guarantee=self.expect,
            verdict=verdict,
            engine=ENGINE,
            model=self.model,
            reason=reason,
            operations=answer.operations,
            anomalies=anomalies,
            time_s=time.perf_counter() - wall,
            cpu_s=time.process_time() - cpu,
            stats={"strongest": strongest, "not": failed},
            confirmed_by=judge,
        )
        order = levels["sequential"].order if "sequential" in levels else None
        return proven(result, history), order or ()

    def _anomalies(self, history: History, answer: Answer, mine: Found) -> list[Anomaly]:
        told = [impossible(history, one) for one in answer.impossible[:_TOLD_MAX]]
        if told or mine.verdict != Verdict.INVALID:
            return told
        return [contradiction(history, self.expect, mine)]

    def _confirmed(self, history: History, anomalies: list[Anomaly]) -> tuple[list[Anomaly], str]:
        """Those that the second judge confirms, and why the last other one was not."""
        events, held, doubt = history.events(), [], ""
        for one in anomalies:
            try:
                wrong = refute_sessions(
                    events, self.model, msgspec.convert(one.detail.certificate, Certificate), self.initial
                )
            except TooLargeError:
                wrong = f"{len(one.events)} events are too many to try every order of them"
            if wrong is None:
                held.append(one)
            else:
                doubt = wrong
        return held, doubt


def strongest_of(proved: Sequence[str]) -> list[str]:
    """Those of the proved levels that no other one of them implies."""
    implied: set[str] = set()
    for name in proved:
        implied |= below(name)
    return [name for name in proved if name not in implied]


def below(name: str) -> set[str]:
    """All levels that this one implies."""
    found: set[str] = set()
    for weaker in IMPLIES.get(name, ()):
        found |= {weaker} | below(weaker)
    return found
