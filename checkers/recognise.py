"""Which model is a history of? Only one that every operation proves; anything else is said with the candidates.

See docs/decisions/importers.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import numpy as np

from quorate.checkers.models import MODELS
from quorate.checkers.normal import distinct, functions_of
from quorate.harness.history import History
from quorate.harness.history.columns import INVOKE, NONE, OK

# Models by their functions; of several that know all of a history's, the first.
_FUNCTIONS: Final[dict[str, frozenset[str]]] = {
    **{name: MODELS[name].functions | {"put", "get"} for name in ("register", "cas-register", "kv")},
    "lock": MODELS["lock"].functions,
    "bank": frozenset({"transfer", "read"}),
    "unique-ids": frozenset({"generate", "generate-id"}),
    "adya-g2": frozenset({"insert"}),
    "causal": frozenset({"read-init", "read", "write"}),
}
_ADDING: Final = frozenset({"add", "remove", "contains", "read", "increment", "inc", "decrement"})
_TRANSACTIONAL: Final = frozenset({"txn", "read", "write"})
_QUEUES: Final = frozenset({"enqueue", "dequeue", "drain"})
_MICRO: Final = frozenset({"r", "w", "read", "write", "append"})
# Handles from here on are integers themselves (see `Columns`): one of them shows the shape of all.
_INTEGERS: Final = np.uint32(1 << 31)
# Distinct values of a function whose shape is looked at, spread over the history.
_LOOKED_AT: Final = 20_000


class ModelError(ValueError):
    """No model fits the history, or several do; the text says which, and what to give.

    `candidates` are the models that may be meant. `doubtful` says that the operations fit them but prove none.
    """

    def __init__(self, text: str, candidates: Collection[str] = (), *, doubtful: bool = False) -> None:
        super().__init__(text)
        self.candidates = tuple(candidates)
        self.doubtful = doubtful


def recognise(history: History) -> str:
    """Return the only model that every operation proves. Raises `ModelError` where none or several fit."""
    functions = functions_of(history)
    if not functions:
        raise ModelError("the history has no operations, so there is nothing to judge; is it the right file?")
    shapes = _Shapes(history)
    if functions <= _TRANSACTIONAL and ("txn" in functions or shapes.of(*functions) & {"micro"}):
        return _transactions(functions, shapes)
    if functions == {"read"}:
        return _only_reads(shapes)
    if functions <= _ADDING and functions & {"add", "increment", "inc", "decrement"}:
        return _adding(functions, shapes)
    if functions <= _QUEUES:
        names = ["total-queue", "unordered-queue"] if "drain" in functions else ["queue", "unordered-queue"]
        raise ModelError(f"both {names[0]} and {names[1]} fit: name one with --as", names)
    if functions <= MODELS["set"].functions:
        return "set"
    fitting = [model for model, known in _FUNCTIONS.items() if functions <= known]
    fitting = fitting or [name for name, model in MODELS.items() if functions <= model.functions]
    if not fitting:
        raise ModelError(
            f"no model knows all of {', '.join(sorted(functions))}: see `quorate list models`, or judge with a model "
            'of your own (docs/checking.md, "A model of your own")'
        )
    return _shaped(fitting[0], shapes)


def _shaped(model: str, shapes: _Shapes) -> str:
    """The model whose functions fit, where the values do as well."""
    if model == "lock":
        # A fencing token is a number; servers that answer `true` or a name just say yes.
        return "fenced-lock" if shapes.of("acquire", kind=OK) - {"null"} == {"number"} else "lock"
    if model in ("register", "cas-register", "kv"):
        return _register(model, shapes)
    if model == "bank" and not shapes.of("read", kind=OK) <= {"map", "null"}:
        raise _doubt("transfers need reads that return maps of balances", ["bank"])
    return model


def _register(model: str, shapes: _Shapes) -> str:
    """A register's reads show what was written: a map or a list where nothing of the kind was written is another's."""
    written = shapes.of("write", "put", "append", kind=INVOKE) | shapes.inside("cas")
    odd = (shapes.of("read", "get", kind=OK) & {"map", "list", "micro"}) - written
    if odd:
        seen = " and ".join(f"{one}s" for one in sorted(odd))
        raise _doubt(
            f"reads show {seen}, and no {' or '.join(sorted(odd))} was ever written",
            ["register", "bank", "monotonic"],
        )
    return model


def _only_reads(shapes: _Shapes) -> str:
    seen = shapes.of("read", kind=OK) - {"null"}
    if not seen:
        return "register"
    candidates = {
        "map": ["bank", "monotonic", "register"],
        "list": ["set", "register"],
        "number": ["register", "counter", "monotonic"],
    }
    found = [model for shape in sorted(seen) for model in candidates.get(shape, ["register"])]
    raise _doubt("the operations only read", list(dict.fromkeys(found)))


def _adding(functions: set[str], shapes: _Shapes) -> str:
    reads = shapes.of("read", kind=OK) - {"null"}
    answers = shapes.of("add", "inc", "increment", kind=OK)
    if "map" in reads | answers or "micro" in reads:
        raise _doubt("reads or additions answer maps", ["monotonic"])
    if functions & {"remove", "contains"}:
        return "set"
    if functions & {"increment", "inc", "decrement"}:
        if "list" in reads:
            raise _doubt("increments go with reads of lists", ["counter", "set"])
        return "counter"
    added = shapes.of("add", kind=INVOKE)
    if reads == {"list"} and "null" not in added:
        return "set"
    if reads == {"number"} and added == {"number"}:
        return "counter"
    if "null" in added and added != {"null", "number"}:
        raise _doubt("additions say nothing of what is added", ["monotonic", "counter", "set"])
    raise ModelError("both set and counter fit: name one with --as", ["set", "counter"])


def _transactions(functions: set[str], shapes: _Shapes) -> str:
    if functions != {"txn"} and not shapes.of(*functions) <= {"micro", "null"}:
        raise _doubt("some operations are transactions and others are not", ["rw", "append", "register"])
    micros = list(shapes.micros(functions))
    names = {micro[0] for micro in micros}
    lists = any(micro[0] in ("r", "read") and isinstance(micro[-1], list) for micro in micros)
    if functions != {"txn"}:
        # Writes of one key each and reads of several are Jepsen's long fork; other tools write transactions so too.
        raise _doubt("reads and writes hold transactions", ["long-fork", "rw", "multi-register"])
    if "append" in names or lists:
        return "append"
    if names & {"w", "write"}:
        return "rw"
    raise ModelError(
        "the transactions only read: name the model with --as append or --as rw", ["append", "rw"]
    )


def _doubt(why: str, candidates: Collection[str]) -> ModelError:
    names = " or ".join(f"--as {name}" for name in candidates)
    return ModelError(
        f"{why}, which proves no model: name the one that is meant ({names})", candidates, doubtful=True
    )


class _Shapes:
    """The shapes of the values that operations carry: null, bool, number, text, map, list, micro (a transaction)."""

    def __init__(self, history: History) -> None:
        self._columns = history.columns
        self._functions = distinct(history.columns.f)
        self._kinds: dict[tuple[str, int | None], list[Any]] = {}

    def of(self, *functions: str, kind: int | None = None) -> set[str]:
        """The shapes in events of these functions, of one kind or of all."""
        return {_shape(value) for f in functions for value in self._values(f, kind)}

    def inside(self, *functions: str) -> set[str]:
        """The shapes of what stands in pairs, as compare-and-sets have them."""
        pairs = [value for f in functions for value in self._values(f, INVOKE) if isinstance(value, list)]
        return {_shape(one) for pair in pairs for one in pair}

    def micros(self, functions: Iterable[str]) -> Iterable[list[Any]]:
        """The micro-operations of transactions."""
        for f in functions:
            for value in self._values(f, None):
                yield from value if _shape(value) == "micro" else ()

    def _values(self, f: str, kind: int | None) -> list[Any]:
        if (f, kind) not in self._kinds:
            columns = self._columns
            # Equal texts have equal handles, so there is at most one.
            named = [handle for handle in self._functions if columns.text(handle) == f]
            chosen = (columns.process >= 0) & (columns.f == np.uint32(named[0] if named else NONE))
            if kind is not None:
                chosen &= columns.kind == kind
            values = columns.value[chosen]
            integers = values >= _INTEGERS
            texts = np.unique(values[~integers])
            step = max(1, len(texts) // _LOOKED_AT)
            found = columns.texts(texts[::step]).tolist() if len(texts) else []
            self._kinds[f, kind] = [*found, 0] if integers.any() else found
        return self._kinds[f, kind]


def _shape(value: Any) -> str:  # noqa: PLR0911 - a table
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "text"
        case dict():
            return "map"
        case [[str(name), *_], *_] if name in _MICRO and all(isinstance(one, list) and one for one in value):
            return "micro"
        case _:
            return "list"
