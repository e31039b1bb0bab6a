"""Values of campaign files, converted to the fields of a `Test` or a `Cell` with clear errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from quorate.harness.core.duration import parse_duration, parse_size
from quorate.harness.core.registry import did_you_mean


def _text(value: Any) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} must be a text in quotes"
        raise ValueError(msg)
    return value


def _names(value: Any) -> tuple[str, ...]:
    """A list, or one text with commas; "none" alone is nothing."""
    parts = value if isinstance(value, list) else _text(value).split(",")
    found = tuple(filter(None, (_text(part).strip() for part in parts)))
    return () if found == ("none",) else found


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{value!r} must be a whole number"
        raise ValueError(msg)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"{value!r} must be a number"
        raise ValueError(msg)
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        msg = f"{value!r} must be true or false"
        raise ValueError(msg)
    return value


def _duration(value: Any) -> float:
    return parse_duration(_text(value))


def _size(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else parse_size(_text(value))


def _settings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        msg = f'{value!r} must be a table: settings = {{ reads = "serializable" }}'
        raise ValueError(msg)
    return {
        str(key): str(item).lower() if isinstance(item, bool) else str(item) for key, item in value.items()
    }


def _expect(value: Any) -> str:
    known = ["valid", "invalid", "any"]
    if value not in known:
        msg = f'"{value}" must be one of {", ".join(known)}{did_you_mean(str(value), known)}'
        raise ValueError(msg)
    return str(value)


def _repeat(value: Any) -> int:
    if _whole(value) < 1:
        msg = f"{value} must be at least 1"
        raise ValueError(msg)
    return int(value)


_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    "system": _text,
    "workload": _names,
    "faults": _names,
    "fault_interval": _duration,
    "schedule": _text,
    "cluster": _text,
    "inventory": _text,
    "endpoints": _names,
    "nodes": _whole,
    "image": _text,
    "build": _text,
    "time": _duration,
    "clients": _whole,
    "rate": _number,
    "timeout": _duration,
    "seed": _whole,
    "settings": _settings,
    "store": _text,
    "name": _text,
    "check_time": _duration,
    "check_memory": _size,
    "stop_on_anomaly": _flag,
    "strict": _flag,
    "expect": _expect,
    "link": _text,
    "repeat": _repeat,
    "weight": _number,
}
CELL_KEYS: Final = ("expect", "link", "repeat", "weight")
TEST_KEYS: Final = tuple(key for key in _CONVERT if key not in CELL_KEYS)


def convert(key: str, value: Any) -> Any:
    """Return the value as the field wants it; raise ValueError with what to write instead."""
    return _CONVERT[key](value)
