"""What every workload module shares: its registration with typed settings, values and final reads.

Settings are declared as everywhere (harness/core/settings.py). `part.described()` maps each name to its description, so
that unknown names can be answered with the known ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import msgspec

from quorate.harness.core.settings import described, read
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import (
    PENDING,
    Context,
    Generator,
    Invocation,
    Pending,
    Step,
    deferred,
    retrying,
)

Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
S = TypeVar("S", bound=msgspec.Struct)
_FINAL_TRIES = 10


class Part(Generic[S]):
    """A registered workload: call it with options for a `Workload`; ask it for its settings and its purpose."""

    def __init__(self, name: str, make: Callable[[WorkloadOptions, S], Workload], settings: type[S]) -> None:
        self.name = name
        self.summary = (sys.modules[make.__module__].__doc__ or "").partition("\n")[0]
        self.__doc__ = sys.modules[make.__module__].__doc__
        self._make = make
        self._settings = settings

    def described(self) -> dict[str, str]:
        """Return name to description of every setting."""
        return described(self._settings)

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Name to default value of every setting: what a draw varies."""
        return msgspec.structs.asdict(self._settings())

    def __call__(self, options: WorkloadOptions) -> Workload:
        """Make the workload; raise `UsageError` for a setting of this workload that cannot be."""
        return self._make(options, read(self._settings, options.settings))


def workload(name: str, settings: type[S]) -> Callable[[Callable[[WorkloadOptions, S], Workload]], Part[S]]:
    """Register the decorated factory under a name, with its settings."""
    return lambda make: Part(name, make, settings)


class Choice:
    """One name for workloads that put the same question to services of different kinds.

    The first whose needs the clients meet is made; the first of all where nothing is known of them, or none fits.
    """

    def __init__(self, name: str, *ways: tuple[Sequence[type], Part[Any]]) -> None:
        self.name = name
        self._ways = ways
        self.summary = ways[0][1].summary
        self.__doc__ = ways[0][1].__doc__

    def described(self) -> dict[str, str]:
        """Return the settings of all of them; each has its own default for a name that several have."""
        found: dict[str, str] = {}
        for _, part in reversed(self._ways):
            found |= part.described()
        return found

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The defaults of all of them."""
        found: dict[str, Any] = {}
        for _, part in reversed(self._ways):
            found |= part.defaults
        return found

    def __call__(self, options: WorkloadOptions) -> Workload:
        """Make the one that fits."""
        client = options.client
        fits = (
            part
            for needs, part in self._ways
            if client is not None and all(issubclass(client, need) for need in needs)
        )
        made = next(fits, self._ways[0][1])(options)
        return msgspec.structs.replace(made, name=self.name)


class Used:
    """The keys that a run came to use, in the order of first use; what final reads go over."""

    def __init__(self) -> None:
        self._keys: dict[Any, None] = {}

    def add(self, key: Any) -> None:
        """Take note of a key."""
        self._keys[key] = None

    @property
    def keys(self) -> list[Any]:
        """All keys used so far."""
        return list(self._keys)

    def read_each(self, f: str) -> Generator:
        """Return the final reads: `f` on every key used, each until it is ok, at most ten times."""
        return deferred(lambda: retrying([Invocation(f, key) for key in self.keys], _FINAL_TRIES))


def threads_for(clients: int, wanted: int | None) -> int:
    """Return how many threads share a key: what was asked for, else up to five, so that operations do overlap."""
    usual = 5
    return min(wanted or usual, clients)


def not_due(generator: Generator, ctx: Context, state: str, due_ns: int) -> Step | None:
    """Return what a generator answers while it is `asking`, or before it is due; None where it has to decide."""
    if state == "asking":
        return PENDING, generator
    return (Pending(due_ns), generator) if ctx.time_ns < due_ns else None


def weights(*shares: float) -> list[int]:
    """Return integer weights for `mix` in proportion to the shares."""
    return [round(share * 1000) for share in shares]
