"""Are transactions isolated as promised? Dependency cycles in list-append and register transactions.

The native core reads version orders off what transactions saw, builds the graph of dependencies, real time and
processes, and looks for cycles (Kingsbury and Alvaro, "Elle", VLDB 2021; Adya, "Weak consistency", 1999). Where there
is none, it runs the transactions one after the other in the graph's order: that every read comes out right is the
proof.

Sees: dirty, lost, stale, fractured and skewed reads and writes across keys. Cannot see: predicates.

See docs/decisions/transactions.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from quorate.checkers.names import UnknownNameError, consistency_named, unknown
from quorate.harness.core.evidence import Cycle, Dependency, Transaction
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict, proven
from quorate.harness.history import History, native

MODELS: Final = ("append", "rw")
ENGINE: Final = "native:transactions"
STRICTEST: Final = "strict-serializable"
# The second judge has at most this long.
_CONFIRM_S: Final = 15.0


class Transactions:
    """Judges transactions of `model` (`append`: lists, `rw`: registers whose values are written once) by `expect`.

    `expect` is a consistency model from `read-uncommitted` to `strict-serializable`, session variants included; a
    violation of a stronger one alone does not make the verdict invalid but is reported in `stats["tolerated"]`.
    `stats["strongest"]` lists the strongest models that the history was proved to satisfy. Raises `ValueError` for an
    unknown name (any of Elle's will do), never for a bad history.
    """

    name = "transactions"

    def __init__(self, model: Literal["append", "rw"] = "append", expect: str = STRICTEST) -> None:
        if model not in MODELS:
            raise UnknownNameError(unknown("model of transactions", model, MODELS))
        self.model: Literal["append", "rw"] = model
        self.expect = consistency_named(expect)
        self.name = f"{model}-transactions"

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; keeps the limits."""
        answer, wall_s, cpu_s = self._ask(history, limits, witness=False)
        verdict = Verdict(answer["verdict"])
        found = answer.get("anomalies", [])
        stats = dict(answer.get("stats", {}))
        memory_mb = float(stats.pop("memory_mb", 0.0))
        for name in ("strongest", "not", "proved"):
            if name in answer:
                stats[name] = answer[name]
        anomalies = [
            _anomaly(one, example) for one in found if one["violates"] for example in one["examples"]
        ]
        reason, confirmed = _reason(answer, self.expect), None
        if verdict is Verdict.INVALID:
            left = max(0.1, limits.time_s - wall_s)
            anomalies, doubts, judge = _confirmed(history, self.model, anomalies, left)
            confirmed = judge if anomalies else None
            if not anomalies:
                verdict, reason = Verdict.UNKNOWN, _unconfirmed(doubts)
            elif doubts:
                stats["unconfirmed"] = doubts
        stats["anomalies"] = {one["name"]: one["count"] for one in found}
        stats["tolerated"] = [one["name"] for one in found if not one["violates"]]
        return proven(
            Result(
                guarantee=self.expect,
                verdict=verdict,
                engine=ENGINE,
                model=self.model,
                reason=reason,
                operations=int(answer.get("operations", 0)),
                anomalies=anomalies,
                confirmed_by=confirmed,
                time_s=wall_s,
                cpu_s=cpu_s,
                memory_mb=memory_mb,
                stats=stats,
            ),
            history,
        )

    def order(self, history: History, limits: Limits | None = None) -> list[int] | None:
        """Return the transactions' invocations (event indexes) in an order that explains every read.

        None if the verdict is not a proven `valid`. `quorate.checkers.transactions_verify.replay` checks such an order.
        """
        answer, _, _ = self._ask(history, limits or Limits(), witness=True)
        order: list[int] | None = answer.get("witness")
        return order

    def _ask(
        self, history: History, limits: Limits, *, witness: bool
    ) -> tuple[Mapping[str, Any], float, float]:
        start, cpu = time.monotonic(), time.process_time()
        request = {
            "engine": "transactions",
            "model": self.model,
            "expect": self.expect,
            "time_s": limits.time_s,
            "memory_bytes": limits.memory_bytes,
            "witness": witness,
        }
        answer = native.check(history, request)
        return answer, time.monotonic() - start, time.process_time() - cpu


def check_transactions(history: History, model: str, expect: str | None, limits: Limits) -> Result:
    """Judge transactions by a consistency model, `strict-serializable` unless another is given."""
    checker = rw if model == "rw" else append
    return checker(expect or STRICTEST).check(history, limits)


def append(expect: str = STRICTEST) -> Transactions:
    """Return the checker of list-append transactions."""
    return Transactions("append", expect)


def rw(expect: str = STRICTEST) -> Transactions:
    """Return the checker of transactions on registers."""
    return Transactions("rw", expect)


def _reason(answer: Mapping[str, Any], expect: str) -> str:
    if answer["verdict"] != Verdict.INVALID:
        return str(answer.get("reason", ""))
    names = ", ".join(one["name"] for one in answer["anomalies"] if one["violates"])
    if "read-uncommitted" in answer["not"]:
        return f"not {expect}: {names}; not even read-uncommitted holds"
    left = " and ".join(answer["strongest"])
    return f"not {expect}: {names}; " + (
        f"what still holds is {left}" if left else "of weaker models nothing was proved"
    )


def _confirmed(
    history: History, model: str, anomalies: list[Anomaly], time_s: float
) -> tuple[list[Anomaly], dict[str, str], str]:
    """Return the anomalies that the second judge confirms, of the other names why it does not, and its name."""
    from quorate.checkers.transactions_refute import JUDGE, refute_all  # noqa: PLC0415 - only what is invalid needs it
    from quorate.checkers.transactions_story import TooLargeError  # noqa: PLC0415

    certificates = [one.detail.certificate or {} for one in anomalies]
    try:
        wrong = refute_all(history, model, certificates, min(time_s, _CONFIRM_S))
    except TooLargeError as error:
        return [], {one.name: str(error) for one in anomalies}, JUDGE
    kept = [
        msgspec.structs.replace(one, detail=msgspec.structs.replace(one.detail, confirmed_by=JUDGE))
        for one, reason in zip(anomalies, wrong, strict=True)
        if reason is None
    ]
    doubts: dict[str, str] = {}
    for one, reason in zip(anomalies, wrong, strict=True):
        if reason is not None:
            doubts.setdefault(one.name, reason)
    return kept, doubts, JUDGE


def _unconfirmed(doubts: Mapping[str, str]) -> str:
    told = "; ".join(f"{name}: {reason}" for name, reason in doubts.items())
    return f"anomalies were found, but no second judge confirmed one of them: {told}"


def _certificate(finding: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    """What `quorate.checkers.transactions_refute` confirms: transactions by the indexes of their invocations."""
    index = {one["name"]: one["index"] for one in example["transactions"]}
    return {
        "kind": finding["name"],
        "key": example["key"],
        "transactions": list(index.values()),
        "cycle": [
            {
                "from": index[step["from"]],
                "to": index[step["to"]],
                "kind": step["kind"],
                "key": step["key"],
            }
            for step in example["cycle"]
        ],
    }


def _anomaly(finding: Mapping[str, Any], example: Mapping[str, Any]) -> Anomaly:
    return Anomaly(
        name=finding["name"],
        sentence=example["sentence"],
        key=example["key"],
        events=example["events"],
        culprit=example["culprit"],
        detail=Cycle(
            cycle=msgspec.convert(example["cycle"], list[Dependency]),
            transactions=msgspec.convert(example["transactions"], list[Transaction]),
            count=finding["count"],
            forbidden_by=finding["not"],
            certificate=_certificate(finding, example),
        ),
    )
