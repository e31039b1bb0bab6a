"""Values of campaign files, converted to the fields of a `Test` or a `Cell` with clear errors.

Those of a test are declared by the fields of `Test`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from quorate.harness.campaign import expecting
from quorate.harness.core.options import number, text, whole
from quorate.harness.core.test import OPTIONS


def _repeat(value: Any) -> int:
    if whole(value) < 1:
        raise ValueError(f"{value} must be at least 1")
    return int(value)


_OF_CELLS: Final[dict[str, Callable[[Any], Any]]] = {
    "expect": expecting.read,
    "link": text,
    "repeat": _repeat,
    "weight": number,
}
_OF_TESTS: Final = {option.field: option.from_file for option in OPTIONS if option.in_files}
CELL_KEYS: Final = tuple(_OF_CELLS)
TEST_KEYS: Final = tuple(_OF_TESTS)


def convert(key: str, value: Any) -> Any:
    """Return the value as the field wants it; raise ValueError with what to write instead."""
    return (_OF_TESTS | _OF_CELLS)[key](value)
