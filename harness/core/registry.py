"""Parts found by name through entry points, so that a third party adds one by publishing a package."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from quorate.harness.core.outcome import Broken, OutcomeError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Group = Literal["systems", "workloads", "faults", "checkers", "reports"]


class UnknownNameError(LookupError):
    """An unregistered name; the text lists what there is and the nearest match."""


# Parts that are registered for a while only, by group.
_LENT: ContextVar[Mapping[str, Mapping[str, object]]] = ContextVar("lent", default={})  # noqa: B039 - never changed


@contextlib.contextmanager
def lent(group: Group, parts: Mapping[str, object]) -> Iterator[None]:
    """Register parts under their names within the block, as a test does with its parts."""
    before = _LENT.get()
    token = _LENT.set({**before, group: {**before.get(group, {}), **parts}})
    try:
        yield
    finally:
        _LENT.reset(token)


@cache
def _found(group: Group) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - a tenth of what starting `quorate check` costs

    return {point.name: point for point in entry_points(group=f"quorate.{group}")}


def names(group: Group) -> list[str]:
    """All registered names of a group, sorted."""
    return sorted(_found(group))


def did_you_mean(name: str, known: list[str]) -> str:
    """Return ` - did you mean "x"?` or an empty string."""
    near = difflib.get_close_matches(name, known, n=1)
    return f' - did you mean "{near[0]}"?' if near else ""


def check(group: Group, name: str) -> None:
    """Raise `UnknownNameError` with the nearest match where no such part is registered; loads nothing."""
    found = _found(group)
    if name not in found and name not in _LENT.get().get(group, {}):
        known = sorted(found)
        singular = group.removesuffix("s")
        hint = did_you_mean(name, known)
        msg = f'unknown {singular} "{name}"{hint} (known: {", ".join(known)})'
        raise UnknownNameError(msg)


def find(group: Group, name: str) -> Any:
    """Load the part.

    Raise `UnknownNameError` with the nearest match where there is none, `Broken` that names the plug-in where it cannot
    be loaded: it may be a package of somebody else's, and whatever its import raises is its own.
    """
    check(group, name)
    if (part := _LENT.get().get(group, {}).get(name)) is not None:
        return part
    point = _found(group)[name]
    try:
        part = point.load()
        if not callable(part):
            raise TypeError(f"it is {type(part).__name__}, not something to call")  # noqa: TRY301 - named as any other
    except (Exception, SystemExit) as error:
        raise Broken("plug-in", _blame(group, name, "cannot be loaded", error)) from error
    return part


def make(group: Group, name: str, *arguments: Any) -> Any:
    """Load the part and call it; what it raises without a meaning of ours is `Broken` that names the plug-in."""
    part = find(group, name)
    try:
        return part(*arguments)
    except (OutcomeError, UsageError, UnknownNameError):
        raise
    except (Exception, SystemExit) as error:
        raise Broken("plug-in", _blame(group, name, "failed", error)) from error


def origin(group: Group, name: str) -> str:
    """Return what a registered part is and where it comes from, for a sentence about it."""
    if name in _LENT.get().get(group, {}):
        return f"the {group.removesuffix('s')} of this call"
    point = _found(group)[name]
    package = f" of the package {point.dist.name}" if point.dist is not None else ""
    return f'the {group.removesuffix("s")} "{name}" ({point.value}{package})'


def _blame(group: Group, name: str, what: str, error: BaseException) -> str:
    return f"{origin(group, name)} {what}: {type(error).__name__}: {error}"
