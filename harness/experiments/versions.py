"""The versions that a bisection goes over, oldest first: releases between two, or values of one setting."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import msgspec

from quorate.harness.core.test import Test, UsageError
from quorate.harness.systems.releases import SYSTEMS, cache, understood
from quorate.harness.systems.releases.way import Publishes, numbers

_LINE: Final = 2  # major, minor


class Version(msgspec.Struct, frozen=True):
    """One version: its name, the branch that it is on, and the system and settings that make it."""

    name: str
    branch: str
    system: str
    settings: dict[str, str] = {}

    def of(self, test: Test) -> Test:
        """Return the test on this version."""
        return msgspec.structs.replace(test, system=self.system, settings={**test.settings, **self.settings})


def between(system: str, text: str) -> list[Version]:
    """Return the releases of `A..B`, both included, asking the sources what there is; pre-releases are left out.

    Raise `UsageError` for what is not a range, and for one with fewer than two releases.
    """
    first, dots, last = text.partition("..")
    if not dots or not first or not last:
        raise UsageError(f'"{text}" is not a range: write A..B, as in 3.5.13..3.5.17')
    if system not in SYSTEMS:
        raise UsageError(
            f"{system} has no releases: give values of a setting, as in --over bug=none,lost-write"
        )
    low, high = (numbers(understood(system, end)) for end in (first, last))
    names = sorted((name for name in known(system) if low <= numbers(name) <= high), key=numbers)
    if len(names) < _LINE:
        raise UsageError(
            f"{text}: {len(names)} releases of {system} are known there; see `quorate list releases`"
        )
    return [Version(name, branch_of(name), f"{system}@{name}") for name in names]


def known(system: str) -> set[str]:
    """Return all plain releases that are known, cached, or listed by a source."""
    found = set(cache.releases(system))
    for way in SYSTEMS[system].ways:
        found |= set(way.releases())
        if isinstance(way, Publishes) and way.unable() is None:
            found |= {name for name in way.published() if way.takes(name)}
    return {name for name in found if not {"-", "+"} & set(name)}


def branch_of(release: str) -> str:
    """Return the branch of a release: 3.5 of 3.5.16."""
    return ".".join(map(str, numbers(release)[:_LINE]))


def over(system: str, text: str) -> list[Version]:
    """Return the values of `KEY=V1,V2,…` as versions in that order; raise `UsageError` for fewer than two."""
    key, equals, values = text.partition("=")
    names = [value.strip() for value in values.split(",") if value.strip()]
    if not equals or not key or len(names) < _LINE:
        raise UsageError(f'"{text}" is not a list: write KEY=V1,V2,…, as in binary=./etcd-a,./etcd-b')
    return [
        Version(f"{number}:{name}", key, system, {key: name}) for number, name in enumerate(names, start=1)
    ]


def branches(versions: list[Version]) -> list[tuple[str, list[Version]]]:
    """Return the versions by branch, in their order."""
    return [(name, list(those)) for name, those in groupby(versions, key=lambda version: version.branch)]
