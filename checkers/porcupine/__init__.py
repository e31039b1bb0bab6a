"""Bindings to Porcupine, the Go linearizability checker: its API in Python, and an engine for quorate's own models.

`check_history` judges a history with quorate's models, written in Go, in a separate process with a limit of memory.
The rest mirrors Porcupine's API for models written in Python; names and meanings are Porcupine's. A shared library is
built from Porcupine's module (pinned, with its checksum) at the first use; `PorcupineMissingError` says why it cannot.

>>> from quorate.checkers.porcupine import Model, Operation, check_operations
>>> def step(state, request, response):
...     if request[0] == "put":
...         return True, request[1]
...     return response == state, state
>>> register = Model(init=lambda: 0, step=step)
>>> history = [Operation(0, ("put", 1), 0, None, 10), Operation(1, ("get",), 12, 0, 20)]
>>> check_operations(register, history)
False
"""

from __future__ import annotations

from quorate.checkers.porcupine.api import (
    LinearizationInfo,
    check_events,
    check_events_timeout,
    check_events_verbose,
    check_operations,
    check_operations_timeout,
    check_operations_verbose,
    visualize,
)
from quorate.checkers.porcupine.build import PorcupineMissingError, version
from quorate.checkers.porcupine.engine import MODELS, check_history
from quorate.checkers.porcupine.records import (
    Annotation,
    CheckResult,
    Event,
    Model,
    NondeterministicModel,
    Operation,
)

__all__ = [
    "MODELS",
    "Annotation",
    "CheckResult",
    "Event",
    "LinearizationInfo",
    "Model",
    "NondeterministicModel",
    "Operation",
    "PorcupineMissingError",
    "check_events",
    "check_events_timeout",
    "check_events_verbose",
    "check_history",
    "check_operations",
    "check_operations_timeout",
    "check_operations_verbose",
    "version",
    "visualize",
]
