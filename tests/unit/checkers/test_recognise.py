"""Which model is a history of? Only one that every operation proves; otherwise the candidates are named."""

from __future__ import annotations

import pytest

from quorate.checkers import MODELS, ModelError, check, recognise
from quorate.harness.history import Event, History


def made(*operations):
    """A sequential history of (function, asked, answered)."""
    events = []
    for f, asked, answered in operations:
        at = len(events)
        events += [
            Event(at, at, 0, "invoke", f, None, asked),
            Event(at + 1, at + 1, 0, "ok", f, None, answered),
        ]
    return History.of(events)


WRITE = ("write", 1, 1)
PROVED = [
    ("register", [WRITE, ("read", None, 1)]),
    ("register", [("put", 1, 1), ("get", None, 1)]),
    ("register", [("write", {"a": 1}, None), ("read", None, {"a": 1})]),
    ("cas-register", [WRITE, ("cas", [1, 2], [1, 2])]),
    ("cas-register", [("cas", [None, [1]], None), ("read", None, [1])]),
    ("kv", [("append", "a", "a"), ("read", None, "a")]),
    ("set", [("add", 1, 1), ("read", None, [1])]),
    ("set", [("add", "x", "x"), ("contains", "x", True)]),
    ("counter", [("add", 1, 1), ("read", None, 1)]),
    ("counter", [("increment", 1, 1), ("decrement", 1, 1)]),
    ("lock", [("acquire", None, None), ("release", None, None)]),
    ("lock", [("acquire", None, True)]),
    ("lock", [("acquire", None, "name-of-the-lock")]),
    ("fenced-lock", [("acquire", None, 7)]),
    ("bank", [("transfer", {"from": 0, "to": 1, "amount": 2}, None), ("read", None, {"0": 1, "1": 2})]),
    ("unique-ids", [("generate", None, 5)]),
    ("adya-g2", [("insert", [1, [2, None]], [1, [2, None]])]),
    ("causal", [("read-init", None, 0), WRITE, ("read", None, 1)]),
    ("append", [("txn", [["append", 1, 2]], [["append", 1, 2]])]),
    ("append", [("txn", [["r", 1, None]], [["r", 1, [2]]])]),
    ("rw", [("txn", [["w", 1, 2]], [["w", 1, 2]])]),
    ("rw", [("txn", [["write", 1, 2]], [["write", 1, 2]])]),
]
DOUBTFUL = [
    ([("read", None, {"0": 60, "1": 40})], {"bank", "register"}),
    ([("read", None, [1, 2])], {"set", "register"}),
    ([("read", None, 5)], {"register", "counter"}),
    ([WRITE, ("read", None, {"0": 60})], {"register", "bank"}),
    ([("write", [["w", 7, 1]], [["w", 7, 1]])], {"long-fork", "rw"}),
    ([("read", [["r", 7, None]], [["r", 7, 1]])], {"long-fork", "rw"}),
    ([("add", None, {"a": 1}), ("read", None, {"a": 1})], {"monotonic"}),
    ([("inc", "a", {"a": 1})], {"monotonic"}),
]


@pytest.mark.parametrize(("model", "operations"), PROVED)
def test_operations_that_prove_a_model_are_judged_by_it(model, operations):
    assert recognise(made(*operations)) == model


@pytest.mark.parametrize(("operations", "candidates"), DOUBTFUL)
def test_operations_that_prove_none_name_the_candidates(operations, candidates):
    with pytest.raises(ModelError) as error:
        recognise(made(*operations))
    assert error.value.doubtful
    assert candidates <= set(error.value.candidates) <= MODELS.keys()
    assert all(f"--as {name}" in str(error.value) for name in candidates)


@pytest.mark.parametrize(
    ("operations", "candidates"),
    [
        ([("enqueue", 1, 1)], ("queue", "unordered-queue")),
        ([("enqueue", 1, 1), ("drain", None, [1])], ("total-queue", "unordered-queue")),
        ([("add", 1, 1)], ("set", "counter")),
        ([("txn", [["r", 1, None]], [["r", 1, None]])], ("append", "rw")),
        ([("frob", 1, 1)], ()),
    ],
)
def test_functions_of_several_models_or_of_none_are_the_callers_to_name(operations, candidates):
    with pytest.raises(ModelError) as error:
        recognise(made(*operations))
    assert not error.value.doubtful
    assert error.value.candidates == candidates


def test_names_of_other_tools_mean_the_same_and_typos_are_met_with_the_nearest():
    history = made(("acquire", None, True), ("release", None, True))
    assert check(history, "mutex").model == "lock"
    with pytest.raises(ValueError, match='did you mean "append"'):
        check(history, "apend")
