"""Parts found by name through entry points, so that a third party adds one by publishing a package."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

Group = Literal["systems", "workloads", "faults", "checkers", "reports"]


class UnknownNameError(LookupError):
    """A name nobody registered; the text lists what there is and the nearest match."""


@cache
def _found(group: Group) -> dict[str, EntryPoint]:
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
    if name not in found:
        known = sorted(found)
        singular = group.removesuffix("s")
        hint = did_you_mean(name, known)
        msg = f'unknown {singular} "{name}"{hint} (known: {", ".join(known)})'
        raise UnknownNameError(msg)


def find(group: Group, name: str) -> Any:
    """Load the part; raise `UnknownNameError` with the nearest match where there is none."""
    check(group, name)
    return _found(group)[name].load()
