"""Reading what `--set` gave a system, as text, by name; what makes no sense is a `UsageError` that says what would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quorate.harness.core.duration import parse_duration
from quorate.harness.core.test import UsageError

Given = Mapping[str, str]


def choice(given: Given, name: str, known: Sequence[str]) -> str:
    """One of the known words; the first is the default."""
    value = given.get(name, known[0])
    if value not in known:
        raise UsageError(f"{name}={value}: the system knows {', '.join(known)}")
    return value


def truth(given: Given, name: str) -> bool | None:
    """True or false, or None where nothing was given."""
    return None if name not in given else choice(given, name, ("true", "false")) == "true"


def switch(given: Given, name: str) -> bool:
    """On or off (`yes`, `no`, `true`, `false`); off where nothing was given."""
    return choice(given, name, ("false", "true", "no", "yes")) in {"true", "yes"}


def count(given: Given, name: str, *, least: int = 1, most: int | None = None) -> int | None:
    """A whole number within its limits, or None where nothing was given."""
    if name not in given:
        return None
    text = given[name]
    if text.isdecimal() and int(text) >= least and (most is None or int(text) <= most):
        return int(text)
    limits = f"from {least} up" if most is None else f"from {least} to {most}"
    raise UsageError(f"{name}={text}: give a whole number {limits}")


def seconds(given: Given, name: str, default: float) -> float:
    """A duration, in seconds."""
    if name not in given:
        return default
    try:
        return parse_duration(given[name])
    except ValueError as error:
        raise UsageError(f"{name}={given[name]}: {error}") from error


def milliseconds(given: Given, name: str, default: int) -> int:
    """A duration of 1 ms at least, in ms."""
    value = round(seconds(given, name, default / 1000) * 1000)
    if value < 1:
        raise UsageError(f"{name}={given[name]}: give 1ms at least")
    return value
