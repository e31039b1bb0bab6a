"""Micro-operations of a transaction, worked out by the client where the service cannot compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def play(micro: Sequence[Sequence[Any]], state: dict[str, Any]) -> tuple[list[list[Any]], list[str]]:
    """Run them on `state`, which holds what was read of the keys, and which they change.

    Returns the micro-operations with their reads filled in, and the names of the keys written, each once.
    """
    done: list[list[Any]] = []
    written: dict[str, None] = {}
    for function, key, value in micro:
        name = str(key)
        if function == "r":
            done.append([function, key, state.get(name)])
            continue
        state[name] = [*(state.get(name) or []), value] if function == "append" else value
        written[name] = None
        done.append([function, key, value])
    return done, list(written)
