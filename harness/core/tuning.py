"""Tuning: the values of a server's own knobs that decide how soon rare things happen, drawn from a run's seed.

A snapshot every 10,000 entries, or a compaction in one batch, hides whatever is wrong with snapshots and batches from
a run of a minute. etcd's robustness tests draw such options anew for every run for that reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, Final

import msgspec

from quorate.harness.core.outcome import UsageError
from quorate.harness.core.settings import about

DEFAULT, SMALL, RANDOM = "default", "small", "random"
SETTING: Final = "tuning"
Values = Mapping[str, str]


class Knob(msgspec.Struct, frozen=True):
    """Settings that are drawn together. `small` is what `small` sets; `choices` are what `random` draws from.

    No values leave the server's own. `since` is the first release that has the flag behind it, () for all.
    """

    settings: tuple[str, ...]
    small: Values
    choices: tuple[Values, ...]
    since: tuple[int, ...] = ()

    def lacking(self, releases: Sequence[tuple[int, ...]]) -> bool:
        """Whether one of these releases is older than the flag; with none known, any flag that is new may lack."""
        return bool(self.since) and (not releases or any(release < self.since for release in releases))


class TuningSettings(msgspec.Struct, frozen=True):
    """Settings of a system with knobs."""

    tuning: Annotated[
        str,
        about(
            "of the servers' knobs; what --set gives by name stays as given",
            choices={
                DEFAULT: "the servers' own values",
                SMALL: "snapshots, batches and timeouts so small that they matter within seconds",
                RANDOM: "drawn from the seed",
            },
        ),
    ] = DEFAULT
    value_size: (
        Annotated[
            str,
            about(
                "how long stored values are, such as 10KB, or 10B..1MB drawn by value",
                unset="as short as they are",
            ),
        ]
        | None
    ) = None


def knob(setting: str, small: str, *choices: str, since: tuple[int, ...] = ()) -> Knob:
    """Return the knob of one setting; an empty choice leaves the server's own value."""

    def values(text: str) -> Values:
        return {setting: text} if text else {}

    return Knob((setting,), values(small), tuple(values(choice) for choice in choices), since)


def drawn(
    kind: str,
    knobs: Sequence[Knob],
    *,
    releases: Sequence[tuple[int, ...]],
    given: Mapping[str, str],
    rng: Random,
) -> dict[str, str]:
    """Return the settings that this kind of tuning adds to the given ones; flags that a release lacks are left out.

    Each knob draws once whatever is given, so that one that is set by hand shifts no other.
    """
    found: dict[str, str] = {}
    for one in knobs:
        choice = one.choices[int(rng.random() * len(one.choices))]
        if kind == DEFAULT or one.lacking(releases) or any(name in given for name in one.settings):
            continue
        found |= one.small if kind == SMALL else choice
    return found


def check(
    system: str, knobs: Sequence[Knob], releases: Sequence[tuple[int, ...]], given: Mapping[str, str]
) -> None:
    """Raise `UsageError` for a setting whose flag one of these releases does not have; nothing where none is known."""
    for one in knobs:
        for name in one.settings:
            if name in given and releases and one.lacking(releases):
                oldest = ".".join(map(str, min(releases)))
                first = ".".join(map(str, one.since))
                raise UsageError(
                    f"--set {name}={given[name]}: {system} {oldest} has no such flag; it came with {first}"
                )
