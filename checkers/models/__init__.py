"""The sequential objects that quorate knows, a family a module: `MODELS` by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quorate.checkers.models import counters, locks, queues, registers, sets
from quorate.checkers.models.model import Model

MODELS: Final[Mapping[str, Model]] = {
    model.name: model
    for model in (
        registers.REGISTER,
        registers.CAS_REGISTER,
        registers.KV,
        sets.SET,
        queues.QUEUE,
        queues.UNORDERED_QUEUE,
        counters.COUNTER,
        locks.LOCK,
        locks.FENCED_LOCK,
    )
}
