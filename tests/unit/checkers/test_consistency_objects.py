"""Weaker models of sets, strings, counters, queues and locks: against brute force, by construction, planted."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from quorate.checkers import check
from quorate.checkers.consistency import LEVELS, Consistency
from quorate.checkers.names import DECIDED, OBJECT_CONSISTENCY
from quorate.checkers.sequential_verify import replay_sequential
from quorate.checkers.sessions_record import Certificate
from quorate.checkers.sessions_refute import refute_sessions
from quorate.harness.core.counterexample import events as counterexample
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History
from tests.unit.checkers.sessions_oracle import (
    FUNCTIONS,
    Guarantee,
    Op,
    causal,
    history_of,
    made,
    ordered,
    pram,
    random_ops,
)

LIMITS = Limits(time_s=20)
# What brute force says of each level; of a register with compare-and-set it knows sequential orders alone.
TRUTH: dict[str, Callable[[str, list[Op]], bool | None]] = {
    "sequential": ordered,
    "pram": pram,
    "causal": causal,
}


def model_of(kind: str) -> str:
    """`text` are the histories of `kv` that append."""
    return "kv" if kind == "text" else kind


def levels_of(kind: str) -> list[str]:
    """What is decided for the model."""
    if kind in ("text", "cas-register"):
        return ["sequential"]
    decided = DECIDED.get(kind, (OBJECT_CONSISTENCY, ""))[0]
    return [level for level in LEVELS if level in decided]


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_every_level_agrees_with_trying_everything(kind: str) -> None:
    """Small random histories: no wrong word in either direction, orders that replay, evidence that is confirmed."""
    decided = 0
    for seed in range(120):
        ops = random_ops(random.Random(f"{kind} {seed}"), kind)
        history = history_of(ops)
        for level in levels_of(kind):
            result, order = Consistency(level, model_of(kind)).judge(history, LIMITS)
            if result.verdict is Verdict.UNKNOWN:
                assert "second judge" not in result.reason, (kind, seed, level, result.reason)
                continue
            decided += 1
            said = result.verdict is Verdict.VALID
            truth = TRUTH.get(level, lambda model, ops, level=level: Guarantee(model, ops).holds(level))
            impossible = any(
                (one.detail.certificate or {}).get("kind") == "impossible" for one in result.anomalies
            )
            assert impossible or said == truth(model_of(kind), ops), (kind, seed, level, result, ops)
            if order:
                assert replay_sequential(history, order, None, model_of(kind)) is None
    assert decided > 100


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_evidence_is_wrong_by_itself(kind: str) -> None:
    """A counterexample, judged alone, is invalid at the same level; and leaving the rest out is checked."""
    found = 0
    for seed in range(60):
        history = history_of(random_ops(random.Random(f"{kind} {seed} evidence"), kind))
        for level in levels_of(kind):
            result, _ = Consistency(level, model_of(kind)).judge(history, LIMITS)
            for anomaly in result.anomalies:
                found += 1
                assert result.confirmed_by == "definitions"
                alone = History.of(list(counterexample(history, anomaly)))
                again, _ = Consistency(level, model_of(kind)).judge(alone, LIMITS)
                assert again.verdict is Verdict.INVALID, (kind, seed, level, anomaly, again.reason)
    assert found >= 5


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("length", [60, 300])
def test_a_sequential_store_is_never_called_worse(kind: str, length: int) -> None:
    """Its sessions lag behind each other, so that real time says nothing; every level holds, with an order."""
    for seed in range(3):
        ops = made(random.Random(f"{kind} {length} {seed}"), kind, length)
        history = history_of(ops)
        for level in levels_of(kind):
            result, order = Consistency(level, model_of(kind)).judge(
                history, Limits(time_s=1 if kind == "text" else 5)
            )
            assert result.verdict is not Verdict.INVALID, (kind, length, seed, level, result)
            # Strings of three letters are ambiguous: long histories of them reach the limit.
            assert result.verdict is Verdict.VALID or kind == "text", (level, result.reason)
            if level == "sequential" and order:
                assert replay_sequential(history, order, None, model_of(kind)) is None
                assert replay_sequential(history, order[::-1], None, model_of(kind)) is not None


def op(session: int, f: str, argument: object = None, result: object = None, key: str = "x") -> Op:
    """One operation; its place is given by `numbered`."""
    return Op(0, session, f, key, argument, result)


def numbered(*ops: Op) -> list[Op]:
    """The operations in this order."""
    return [one._replace(at=at) for at, one in enumerate(ops)]


PLANTED: list[tuple[str, str, list[Op], set[str]]] = [
    (
        "set",
        "an element that its client added is missing",
        [op(0, "add", 1), op(0, "read", None, [])],
        {"ryw"},
    ),
    (
        "set",
        "an element is gone from the next read",
        [op(0, "add", 1), op(1, "read", None, [1]), op(1, "read", None, [])],
        {"mr"},
    ),
    (
        "set",
        "one read shows the second element of a client without the first",
        [op(0, "add", 1), op(0, "add", 2), op(1, "read", None, [2])],
        {"mw"},
    ),
    (
        "set",
        "an answer without the question",
        [op(0, "add", 1), op(1, "read", None, [1]), op(1, "add", 2), op(2, "read", None, [2])],
        {"wfr"},
    ),
    (
        "set",
        "two readers saw two elements in different orders",
        [op(0, "add", 1), op(1, "add", 2), op(2, "read", None, [1]), op(3, "read", None, [2])],
        {"sequential"},
    ),
    (
        "counter",
        "a total goes back",
        [op(0, "add", 1), op(1, "read", None, 1), op(1, "read", None, 0)],
        {"mr"},
    ),
    (
        "counter",
        "an own addition is missing",
        [op(0, "add", 2), op(1, "add", 2), op(0, "read", None, 0)],
        {"ryw"},
    ),
    (
        "counter",
        "what was seen and what was added since",
        [op(0, "add", 1), op(1, "read", None, 1), op(1, "add", 1), op(1, "read", None, 1)],
        {"pram"},
    ),
    (
        "queue",
        "two values come out in the other order",
        [op(0, "enqueue", 1), op(0, "enqueue", 2), op(1, "dequeue", None, 2), op(1, "dequeue", None, 1)],
        {"sequential"},
    ),
    ("queue", "found empty after an own enqueue", [op(0, "enqueue", 1), op(0, "dequeue")], {"sequential"}),
    (
        "unordered-queue",
        "a value comes out twice",
        [op(0, "enqueue", 1), op(1, "dequeue", None, 1), op(2, "dequeue", None, 1)],
        {"sequential"},
    ),
    ("lock", "two take it and nobody gives it back", [op(0, "acquire"), op(1, "acquire")], {"sequential"}),
    (
        "fenced-lock",
        "a client's tokens go back",
        [op(0, "acquire", None, 2), op(0, "release"), op(0, "acquire", None, 1)],
        {"sequential"},
    ),
    (
        "kv",
        "an own piece is missing",
        [op(0, "append", "a"), op(0, "append", "b"), op(0, "read", None, "b")],
        {"sequential"},
    ),
]
SHORT = {
    "ryw": "read-your-writes",
    "mr": "monotonic-reads",
    "mw": "monotonic-writes",
    "wfr": "writes-follow-reads",
}
ABOVE = {
    "monotonic-reads": {"pram", "causal", "sequential"},
    "monotonic-writes": {"pram", "causal", "sequential"},
    "read-your-writes": {"pram", "causal", "sequential"},
    "writes-follow-reads": {"causal", "sequential"},
    "pram": {"causal", "sequential"},
    "sequential": set(),
}


@pytest.mark.parametrize(("model", "what", "ops", "weakest"), PLANTED, ids=[one[1] for one in PLANTED])
def test_what_is_planted_is_found_where_it_is_forbidden(
    model: str, what: str, ops: list[Op], weakest: set[str]
) -> None:
    """At exactly the levels that forbid it, with a sentence."""
    names = {SHORT.get(one, one) for one in weakest}
    forbidding = names.union(*(ABOVE[name] for name in names))
    appends = any(one.f == "append" for one in ops)
    for level in levels_of("text" if appends else model):
        result = check(history_of(numbered(*ops)), model, expect=level, limits=LIMITS)
        assert (result.verdict is Verdict.INVALID) == (level in forbidding), (what, level, result)
        if result.verdict is Verdict.INVALID:
            assert result.anomalies[0].sentence
            assert result.confirmed_by == "definitions"


def test_keys_are_taken_together() -> None:
    """Each queue alone is sequentially consistent, and the two of them are not."""
    ops = [
        op(0, "enqueue", 1),
        op(1, "enqueue", 2),
        op(1, "enqueue", 3, key="y"),
        op(0, "enqueue", 4, key="y"),
        op(2, "dequeue", None, 2),
        op(2, "dequeue", None, 4, key="y"),
    ]
    whole = numbered(*ops)
    assert check(history_of(whole), "queue", expect="sequential").verdict is Verdict.VALID
    crossed = numbered(
        op(0, "enqueue", 1),
        op(0, "dequeue", None, None, key="y"),
        op(1, "enqueue", 2, key="y"),
        op(1, "dequeue"),
    )
    for key in "xy":
        alone = [one for one in crossed if one.key == key]
        assert check(history_of(alone), "queue", expect="sequential").verdict is Verdict.VALID
    assert check(history_of(crossed), "queue", expect="sequential").verdict is Verdict.INVALID


def test_a_certificate_that_leaves_out_what_matters_is_refused() -> None:
    """The second judge looks at the whole history: who could have put the value, or added to the total."""
    history = history_of(
        numbered(
            op(0, "enqueue", 1), op(1, "dequeue", None, 1), op(1, "enqueue", 2), op(0, "dequeue", None, 2)
        )
    )
    cut = Certificate("sessions", "sequential", operations=[(2, 3)])
    assert "left out" in str(refute_sessions(history.events(), "queue", cut))
    totals = history_of(
        numbered(op(0, "add", 1), op(1, "add", 1), op(1, "read", None, 1), op(1, "read", None, 2))
    )
    low = Certificate("session-sum", "pram", sum="sum-low", read=6, after=4)
    assert refute_sessions(totals.events(), "counter", low) is not None


def test_an_unknown_compare_and_set_that_need_not_have_happened_proves_nothing() -> None:
    """Another write explains what was read, so that the value which it asked for need not have been there."""
    lines = [
        (0, "invoke", "write", 1),
        (0, "ok", "write", 1),
        (1, "invoke", "cas", [7, 1]),
        (1, "info", "cas", [7, 1]),
        (2, "invoke", "read", None),
        (2, "ok", "read", 1),
    ]
    events = [Event(at, at, who, kind, f, "k", value) for at, (who, kind, f, value) in enumerate(lines)]
    for level in LEVELS:
        assert check(events, "cas-register", expect=level).verdict is Verdict.VALID, level


@pytest.mark.parametrize(
    ("model", "level", "why"),
    [
        ("queue", "pram", "a dequeue changes what it reads"),
        ("lock", "monotonic-reads", "a lock is never read"),
        ("counter", "causal", "a total does not say which additions are in it"),
    ],
)
def test_what_has_no_meaning_for_a_model_is_refused_with_the_reason(model: str, level: str, why: str) -> None:
    """And with what is decided."""
    f = {"queue": "enqueue", "lock": "acquire", "counter": "add"}[model]
    with pytest.raises(ValueError, match=re.escape(why)):
        check(history_of(numbered(op(0, f, 1))), model, expect=level)
    texts = history_of(numbered(op(0, "append", "a"), op(0, "read", None, "a")))
    with pytest.raises(ValueError, match="appended to"):
        check(texts, "kv", expect="causal")
