"""Names of models and of consistency models as other tools write them: one table of aliases for `--as` and `--expect`.

Elle (`elle.consistency-model`), elle-cli and Knossos write the same things under other names. An unknown name raises
`UnknownNameError` with the nearest one that is known.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Final

# What other tools call a model: theirs, ours.
MODEL_ALIASES: Final[Mapping[str, str]] = {
    "list-append": "append",
    "elle-list-append": "append",
    "rw-register": "rw",
    "elle-rw-register": "rw",
    "mutex": "lock",
    "fenced-mutex": "fenced-lock",
    "fifo-queue": "queue",
    "cas": "cas-register",
    "etcd": "cas-register",
}

# Consistency models of transactions, weaker ones first. The engine decides the first 18 directly.
CONSISTENCY_MODELS: Final = (
    "read-uncommitted",
    "read-committed",
    "cursor-stability",
    "monotonic-atomic-view",
    "read-atomic",
    "consistent-view",
    "repeatable-read",
    "parallel-snapshot-isolation",
    "snapshot-isolation",
    "serializable",
    "strong-session-read-uncommitted",
    "strong-session-read-committed",
    "strong-session-snapshot-isolation",
    "strong-session-serializable",
    "strong-read-uncommitted",
    "strong-read-committed",
    "strong-snapshot-isolation",
    "strict-serializable",
    # Decided through the models above: what implies them proves them, what they imply rules them out.
    "monotonic-view",
    "monotonic-snapshot-read",
    "forward-consistent-view",
    "update-serializable",
    "causal-cerone",
    "prefix",
    "rola",
)

# Names of the same models: Adya's, Bernstein's, Elle's. With unique values, view and conflict serializability of a
# history that was observed from outside are one.
CONSISTENCY_ALIASES: Final[Mapping[str, str]] = {
    "pl-1": "read-uncommitted",
    "pl-2": "read-committed",
    "pl-cs": "cursor-stability",
    "pl-2l": "monotonic-view",
    "pl-msr": "monotonic-snapshot-read",
    "pl-2+": "consistent-view",
    "pl-fcv": "forward-consistent-view",
    "pl-2.99": "repeatable-read",
    "pl-si": "snapshot-isolation",
    "pl-3u": "update-serializable",
    "pl-3": "serializable",
    "pl-ss": "strict-serializable",
    "strong-session-pl-1": "strong-session-read-uncommitted",
    "strong-session-pl-2": "strong-session-read-committed",
    "strong-session-pl-3": "strong-session-serializable",
    "strong-pl-1": "strong-read-uncommitted",
    "strong-pl-2": "strong-read-committed",
    "conflict-serializable": "serializable",
    "view-serializable": "serializable",
    "1sr": "serializable",
    "session-serializable": "strong-session-serializable",
    "strong-serializable": "strict-serializable",
    "strict-1sr": "strict-serializable",
    "strong-1sr": "strict-serializable",
    "linearizable": "strict-serializable",
    "generalized-snapshot-isolation": "snapshot-isolation",
    "strong-session-si": "strong-session-snapshot-isolation",
    "strong-si": "strong-snapshot-isolation",
    "si": "snapshot-isolation",
    "psi": "parallel-snapshot-isolation",
    "mav": "monotonic-atomic-view",
    "atomic-read": "read-atomic",
    "causal": "causal-cerone",
}


# Consistency models of objects, stronger ones first, and which models of objects they are decided for.
OBJECT_CONSISTENCY: Final = (
    "linearizable",
    "sequential",
    "causal",
    "pram",
    "writes-follow-reads",
    "monotonic-writes",
    "monotonic-reads",
    "read-your-writes",
)
OBJECT_ALIASES: Final[Mapping[str, str]] = {
    "linearizability": "linearizable",
    "atomic": "linearizable",
    "strict-serializable": "linearizable",
    "sequential-consistency": "sequential",
    "sequentially-consistent": "sequential",
    "causal-consistency": "causal",
    "causal-memory": "causal",
    "fifo": "pram",
    "pipelined-ram": "pram",
    "session-causality": "writes-follow-reads",
    "wfr": "writes-follow-reads",
    "mw": "monotonic-writes",
    "monotonic-write": "monotonic-writes",
    "mr": "monotonic-reads",
    "monotonic-read": "monotonic-reads",
    "ryw": "read-your-writes",
    "read-my-writes": "read-your-writes",
    "read-your-own-writes": "read-your-writes",
}
_ORDERED: Final = ("linearizable", "sequential")
_QUEUES: Final = "a dequeue changes what it reads, so it is unknown which writes a session has seen"
_LOCKS: Final = "a lock is never read, so it is unknown what a session has seen"
# What is decided for models that are not registers, and why the others are not.
DECIDED: Final[Mapping[str, tuple[Collection[str], str]]] = {
    "counter": (
        (*_ORDERED, "pram", "monotonic-reads", "read-your-writes"),
        "a total does not say which additions are in it",
    ),
    "queue": (_ORDERED, _QUEUES),
    "unordered-queue": (_ORDERED, _QUEUES),
    "lock": (_ORDERED, _LOCKS),
    "fenced-lock": (_ORDERED, _LOCKS),
}


# Models of objects for which every consistency model above is decided.
_ALL_DECIDED: Final = frozenset({"register", "cas-register", "kv", "set"})
_REST: Final = (("linearizable",), "no procedure decides weaker ones for it")


class UnknownNameError(ValueError):
    """A name that is not known; the text has the nearest one, and lists what there is."""


def model_named(name: str, known: Collection[str]) -> str:
    """Return the model that `name` means among `known`: itself, or what the alias stands for.

    Raises `UnknownNameError`.
    """
    plain = _plain(name)
    for candidate in (name, plain, MODEL_ALIASES.get(plain, "")):
        if candidate in known:
            return candidate
    aliases = [alias for alias, model in MODEL_ALIASES.items() if model in known]
    raise UnknownNameError(unknown("model", name, known, aliases))


def consistency_named(name: str) -> str:
    """Return the consistency model of transactions that `name` means, in any of its spellings.

    Raises `UnknownNameError`.
    """
    plain = _plain(name)
    plain = CONSISTENCY_ALIASES.get(plain, plain)
    if plain in CONSISTENCY_MODELS:
        return plain
    raise UnknownNameError(
        unknown("consistency model of transactions", name, CONSISTENCY_MODELS, CONSISTENCY_ALIASES)
    )


def object_consistency_named(name: str, model: str) -> str:
    """Return the consistency model of objects that `name` means, where it is decided for `model`.

    Raises `UnknownNameError` for a name that is not known, `ValueError` for one that is not decided for the model.
    """
    plain = _plain(name)
    plain = OBJECT_ALIASES.get(plain, plain)
    if plain not in OBJECT_CONSISTENCY:
        raise UnknownNameError(
            unknown("consistency model of objects", name, OBJECT_CONSISTENCY, OBJECT_ALIASES)
        )
    decided, why = DECIDED.get(model, (OBJECT_CONSISTENCY, "") if model in _ALL_DECIDED else _REST)
    if plain not in decided:
        msg = f"{plain} is not decided for {model}: {why} (decided: {', '.join(decided)})"
        raise ValueError(msg)
    return plain


def unknown(kind: str, name: str, known: Collection[str], aliases: Collection[str] = ()) -> str:
    """Return the sentence that refuses a name, with the nearest known one."""
    near = difflib.get_close_matches(_plain(name), [*known, *aliases], n=1)
    hint = f' - did you mean "{near[0]}"?' if near else ""
    return f'there is no {kind} "{name}"{hint} (known: {", ".join(known)})'


def _plain(name: str) -> str:
    """The spelling of the tables: `:PL-3`, `PL-3`, `Snapshot_Isolation` and `snapshot isolation` are usual."""
    return name.strip().lstrip(":").lower().replace("_", "-").replace(" ", "-")
