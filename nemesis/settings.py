"""Settings (`--set key=value`) of faults, read with a clear word where they make no sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quorate.harness.core.duration import parse_duration
from quorate.harness.core.registry import did_you_mean
from quorate.harness.core.test import UsageError

COMMON: Final[Mapping[str, str]] = {
    "overlap": "yes: different faults may be in force at the same time; no (the default): one at a time",
    "overlap.majority": "yes: faults that overlap may hold a majority down; no (the default): older ones heal first",
}


def flag(settings: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return a yes or no."""
    words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    given = settings.get(name)
    if given is None:
        return default
    if given.lower() not in words:
        raise UsageError(f"--set {name}={given}: write yes or no")
    return words[given.lower()]


def seconds(settings: Mapping[str, str], name: str) -> float | None:
    """Return a duration in seconds, which may be negative, or None where it is not given."""
    given = settings.get(name)
    if given is None:
        return None
    try:
        value = parse_duration(given.removeprefix("-"))
    except ValueError as error:
        raise UsageError(f"--set {name}={given}: {error}") from error
    return -value if given.startswith("-") else value


def number(settings: Mapping[str, str], name: str, *, least: float, most: float) -> float | None:
    """Return a number within bounds, or None where it is not given."""
    given = settings.get(name)
    if given is None:
        return None
    try:
        value = float(given)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise UsageError(f"--set {name}={given}: give a number from {least:g} to {most:g}")
    return value


def choice(settings: Mapping[str, str], name: str, known: Mapping[str, str] | tuple[str, ...]) -> str | None:
    """Return one of the known words, or None where it is not given."""
    given = settings.get(name)
    if given is not None and given not in known:
        hint = did_you_mean(given, list(known))
        raise UsageError(f"--set {name}={given}: unknown{hint} (known: {', '.join(known)})")
    return given
