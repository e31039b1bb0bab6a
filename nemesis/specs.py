"""Which faults were asked for: `partition:leader,kill` as typed, checked against what is registered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from quorate.harness.core import registry
from quorate.harness.core.fault import registered
from quorate.harness.core.outcome import Broken, UsageError
from quorate.nemesis.targets import check_names, names_of

NONE: Final = "none"
_SPEC: Final = re.compile(r"([\w-]+)(?::(.+))?")


class FaultSpec(msgspec.Struct, frozen=True):
    """A fault by its registered name, and the target asked for."""

    name: str
    target: str

    def __str__(self) -> str:
        return f"{self.name}:{self.target}"


def parse(text: str, nodes: int | Sequence[str] | None = None) -> list[FaultSpec]:
    """Return the faults of a list such as `partition:leader,kill,pause:n1+n3`; empty for `none` and for nothing.

    With `nodes`, their number or their names, targets that such a cluster can never have are refused as well. Raises
    `UsageError`, or `registry.UnknownNameError` for an unknown fault, both with the nearest match.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if NONE in words:
        if len(words) > 1:
            raise UsageError(f'faults "{text}": "none" cannot be combined with other faults')
        return []
    specs = [_parse_one(word) for word in words]
    if nodes is not None:
        for spec in specs:
            check_possible(spec, nodes)
    return list(dict.fromkeys(specs))


def check_possible(spec: FaultSpec, nodes: int | Sequence[str]) -> None:
    """Raise `UsageError` where a cluster of these nodes (a number: of so many) can never have the target."""
    count = nodes if isinstance(nodes, int) else len(nodes)
    reason = registered(spec.name).obstacle(spec.target, count)
    explicit = names_of(spec.target) if spec.target not in accepted(spec.name) else None
    if reason is None and explicit is not None:
        names = [f"n{number}" for number in range(1, count + 1)] if isinstance(nodes, int) else list(nodes)
        try:
            check_names(explicit, names)
        except Broken as error:
            # A number alone does not give the names of hosts in an inventory.
            own = all(re.fullmatch(r"n\d+", name) for name in explicit)
            reason = error.text if own or not isinstance(nodes, int) else None
    if reason is not None:
        raise UsageError(f"fault {spec}: {reason}")


def accepted(fault: str) -> tuple[str, ...]:
    """Return the targets that a fault accepts by name, the default first."""
    return registered(fault).targets


def _parse_one(word: str) -> FaultSpec:
    match = _SPEC.fullmatch(word)
    if match is None:
        raise UsageError(f'fault "{word}": write NAME or NAME:TARGET, such as partition:leader')
    name, target = match.groups()
    registry.check("faults", name)
    targets = accepted(name)
    if target is None:
        return FaultSpec(name, targets[0])
    if target not in targets and names_of(target) is None:
        hint = registry.did_you_mean(target, list(targets))
        raise UsageError(
            f'{name} has no target "{target}"{hint} (known: {", ".join(targets)}, or names of nodes: n1+n3)'
        )
    return FaultSpec(name, target)
