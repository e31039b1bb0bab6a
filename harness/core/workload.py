"""A workload: what clients do and what must hold. It names capabilities, never a system."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from quorate.harness.core.outcome import Reply
from quorate.harness.core.verdict import Checker
from quorate.harness.core.weak import WeakReads
from quorate.harness.generators import Generator, Invocation


class WorkloadOptions(msgspec.Struct, frozen=True):
    """What a workload may draw its decisions from; `strict`: what is documented as a weakness counts as well.

    `client` is the class of the system's clients, for workloads that exist in several ways; None is any.
    `weak` is what the system promises of the reads asked for, where that is less than linearizable and not `strict`.
    """

    clients: int
    nodes: int
    time_s: float
    rng: Random
    settings: Mapping[str, str] = {}
    strict: bool = False
    client: type | None = None
    weak: WeakReads | None = None


class Workload(msgspec.Struct, frozen=True):
    """Generator, the mapping from operations to capability calls, final operations, and guarantees.

    `needs` are capability protocols that the client must satisfy; `perform` turns an invocation into a capability
    call; `final` runs after the last heal and recovery; `model` is the default model of `quorate check`;
    `functions` are the kinds of operations of which each must have succeeded for the run to prove anything.
    `kept_alive` says that the guarantees rest on what our own clients keep alive (leases, sessions): where the harness
    itself stood still, a loss is its own doing. `weak` is what the system promises of weaker reads, if asked for.
    """

    name: str
    needs: Sequence[type]
    operations: Generator
    perform: Callable[[Any, Invocation], Awaitable[Reply]]
    final: Generator | None
    must_hold: Sequence[Checker]
    model: str | None
    functions: Sequence[str]
    kept_alive: bool = False
    weak: WeakReads | None = None
