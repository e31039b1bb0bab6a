"""What may be forgotten of each model that has a rule; of others, what only looked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from quorate.checkers.forgetting.key import Key, Pair, over
from quorate.checkers.forgetting.others import forget_counter, forget_lock, forget_set
from quorate.checkers.forgetting.queues import forget_bag, forget_queue
from quorate.checkers.forgetting.registers import forget_register
from quorate.checkers.models import MODELS

Rule = Callable[[Key, list[Pair], int], list[Pair]]

RULES: Final[Mapping[str, Rule]] = {
    "register": forget_register,
    "cas-register": forget_register,
    "kv": forget_register,
    "set": forget_set,
    "queue": forget_queue,
    "unordered-queue": forget_bag,
    "counter": forget_counter,
    "lock": forget_lock,
    "fenced-lock": forget_lock,
}


def drop_looks(model: str, pairs: list[Pair], since: int) -> list[Pair]:
    """Drop what returned and only looked: always sound, and the last resort where no rule bites."""
    record = MODELS[model]
    looks = ("read", "contains") if record.apart else record.looks
    return [pair for pair in pairs if pair[0].f not in looks or not over(pair, since)]
