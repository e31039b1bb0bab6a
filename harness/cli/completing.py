"""Completion of names in the shell: systems, releases, workloads, faults with targets, settings, what is listed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from itertools import pairwise

import click

from quorate.harness.core import registry

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def systems(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Systems, and after an @ the releases that are known here."""
    system, at, _ = incomplete.partition("@")
    if not at:
        return _beginning(registry.names("systems"), incomplete)
    from quorate.harness.systems.releases import list_releases  # noqa: PLC0415 - only when it is asked for

    with contextlib.suppress(Exception):  # a completion never breaks the line that is typed
        return _beginning((f"{system}@{one.release}" for one in list_releases(system)), incomplete)
    return []


def workloads(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Workloads."""
    return _beginning(registry.names("workloads"), incomplete)


def faults(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The last of a list of faults, and after a colon its targets."""
    done, comma, last = incomplete.rpartition(",")
    before, name, (_, colon, _) = done + comma, last.partition(":")[0], last.partition(":")
    if not colon:
        return [before + one for one in _beginning([*registry.names("faults"), "none"], last)]
    from quorate.harness.core.fault import registered  # noqa: PLC0415 - only when it is asked for

    with contextlib.suppress(Exception):
        targets = registered(name).targets
        return [before + one for one in _beginning((f"{name}:{target}" for target in targets), last)]
    return []


def settings(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Keys of `--set` that the system, the workloads and the faults on the line know."""
    if "=" in incomplete:
        return []
    # From the line itself: click gives up parsing at the option whose value is being typed.
    words = os.environ.get("COMP_WORDS", "").split()
    after = {flag: [two for one, two in pairwise(words) if one == flag] for flag in ("-w", "-f")}
    named: list[tuple[registry.Group, str]] = [("systems", word.partition("@")[0]) for word in words]
    named += [("workloads", name) for name in after["-w"] or ["register"]]
    named += [("faults", fault.partition(":")[0]) for one in after["-f"] for fault in one.split(",")]
    found: set[str] = set()
    for group, name in named:
        with contextlib.suppress(Exception):
            part = registry.find(group, name)
            found |= set(part.described())
    return _beginning((f"{key}=" for key in found), incomplete)


def listed(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of what `list` is asked to list."""
    group = ctx.params.get("what") or ctx.params.get("kind")
    if group == "releases":
        group = "systems"
    with contextlib.suppress(Exception):
        return _beginning(registry.names(group), incomplete)  # type: ignore[arg-type]
    return []
