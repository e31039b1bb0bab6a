"""Registers by consistency models other than linearizability: sequential, causal, PRAM, and the session guarantees.

A session is a process of the history; its operations are in its own order, and real time plays no part. The native
engine (`checkers/native/weak`) knows from unique values which write each read saw, derives what must come before what,
and looks for a circle (Bouajjani et al., "On verifying causal consistency", POPL 2017; Terry et al., "Session
guarantees for weakly consistent replicated data", PDIS 1994). Keys are taken together: sequential consistency of each
key says nothing of all.

Cannot see: which of several writes of one value a read saw. Such a history is `unknown` unless a sequential order
explains it, which is searched within the limits.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.explain import Told
from quorate.checkers.linearizable import Linearizable
from quorate.checkers.names import OBJECT_CONSISTENCY, object_consistency_named
from quorate.harness.core.evidence import SessionOrder
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict, proven
from quorate.harness.history import History
from quorate.harness.history.columns import NONE
from quorate.harness.history.native import check as ask

MODELS: Final = ("register", "cas-register")
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
_BYTES_PER_MB: Final = 1e6


class Consistency:
    """Every session sees a history of registers as `expect` promises.

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
            "initial": self.initial,
            "time_s": limits.search_s,
            "memory_bytes": limits.search_bytes,
        }
        answer = ask(history, request)
        levels: Mapping[str, Any] = answer.get("levels", {})
        mine = levels.get(self.expect, {"verdict": "unknown", "reason": answer.get("error", "")})
        if answer.get("impossible"):
            levels = {name: {"verdict": "invalid"} for name in LEVELS}
            mine = levels[self.expect]
        anomalies = self._anomalies(history, answer, mine)
        verdict = Verdict(mine["verdict"])
        proved = [name for name in LEVELS if levels.get(name, {}).get("verdict") == Verdict.VALID]
        failed = [name for name in LEVELS if levels.get(name, {}).get("verdict") == Verdict.INVALID]
        strongest = strongest_of(proved)
        reason = mine.get("reason", "")
        if verdict is Verdict.INVALID:
            reason = (
                f"not {self.expect}; what still holds is {' and '.join(strongest) or 'none of the others'}"
            )
        result = Result(
            guarantee=self.expect,
            verdict=verdict,
            engine=ENGINE,
            model=self.model,
            reason=reason,
            operations=int(answer.get("operations", 0)),
            anomalies=anomalies,
            time_s=time.perf_counter() - wall,
            cpu_s=time.process_time() - cpu,
            stats={"strongest": strongest, "not": failed},
        )
        return proven(result, history), levels.get("sequential", {}).get("order") or ()

    def _anomalies(
        self, history: History, answer: Mapping[str, Any], mine: Mapping[str, Any]
    ) -> list[Anomaly]:
        impossible = [_impossible(history, one) for one in answer.get("impossible", ())]
        if impossible or mine["verdict"] != Verdict.INVALID:
            return impossible[:20]
        return [_contradiction(history, self.expect, mine)]


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


def _told(history: History, call: int) -> Told:
    pair = int(history.columns.pair[call])
    return Told.of(history, call, None if pair == NONE else pair)


def _evidence(history: History, calls: Sequence[int]) -> list[int]:
    columns = history.columns
    both = {at for call in calls for at in (call, int(columns.pair[call])) if at != NONE}
    return [int(columns.index[at]) for at in sorted(both)]


def _impossible(history: History, one: Mapping[str, Any]) -> Anomaly:
    call = one["call"]
    read = _told(history, call)
    why = {
        "read from the future": "but only writes that its own session made later had that value",
        "aborted read": "but the only writes of that value failed",
    }.get(one["name"], "but nobody wrote that value")
    return Anomaly(
        name=one["name"],
        sentence=f"{read.words()} {read.when}, {why}; no consistency model allows that",
        key=history.event(call).key,
        events=_evidence(history, [call]),
        culprit=int(history.columns.index[call]),
    )


_NAMES: Final[Mapping[str, str]] = {
    "sequential": "no sequential order",
    "causal": "causality violated",
    "pram": "no order for a session",
    "writes-follow-reads": "write before what it followed",
    "monotonic-writes": "writes out of order",
    "monotonic-reads": "read went back",
    "read-your-writes": "own write unseen",
}
_PROMISES: Final[Mapping[str, str]] = {
    "sequential": "no one order of all operations keeps every session's own",
    "causal": "no order of this session's reads and all writes keeps what caused what",
    "pram": "no order of this session's reads and all writes keeps every session's own",
    "writes-follow-reads": "a write was seen without what its session had read before it",
    "monotonic-writes": "a session's writes were seen in another order than it made them",
    "monotonic-reads": "the session had already seen a later state",
    "read-your-writes": "the session had already written",
}


def _contradiction(history: History, level: str, mine: Mapping[str, Any]) -> Anomaly:
    """The minimal operations in words, session by session, and why each of the circle's steps holds."""
    calls: Sequence[int] = mine["events"]
    by_session: dict[str, list[Told]] = {}
    for call in calls[:12]:
        one = _told(history, call)
        by_session.setdefault(one.who, []).append(one)
    key = {_told_key(history, call) for call in calls}
    many = len(key) > 1
    parts = [
        f"{who} {', then '.join(_words(history, one, many=many) for one in ops)}"
        for who, ops in by_session.items()
    ]
    more = f" (and {len(calls) - 12} operations more)" if len(calls) > 12 else ""  # noqa: PLR2004
    reader = mine.get("session")
    process = None if reader is None else history.event(reader).process
    culprit = next(
        (call for call in reversed(calls) if process is None or history.event(call).process == process),
        calls[-1],
    )
    return Anomaly(
        name=_NAMES[level],
        sentence=f"{'; '.join(parts)}{more}: {_PROMISES[level]}",
        key=None if many else history.event(calls[0]).key,
        events=_evidence(history, calls),
        culprit=int(history.columns.index[culprit]),
        detail=SessionOrder(
            minimal=mine["minimal"],
            session=process,
            order=[_step(history, step) for step in mine["steps"]],
        ),
    )


def _told_key(history: History, call: int) -> str:
    return msgspec.json.encode(history.event(call).key).decode()


def _words(history: History, one: Told, *, many: bool) -> str:
    words = one.words().removeprefix(f"{one.who} ")
    return f"{words} (key {history.event(one.position).key})" if many else words


def _step(history: History, step: Mapping[str, Any]) -> str:
    first = "the initial value" if step["from"] is None else _told(history, step["from"]).words()
    second = "the initial value" if step["to"] is None else _told(history, step["to"]).words()
    by = "" if step["by"] is None else _told(history, step["by"]).words()
    why = {
        "session": "in the order of the session",
        "read": "which was read",
        "seen": f"for it was to be seen when {by}",
        "overwritten": "which overwrote what was read",
    }[step["why"]]
    return f"{first} before {second}, {why}"
