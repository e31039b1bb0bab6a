"""A part of what is too much for every run of the tests, another one each time, so that all of it is seen soon.

Which part it is: QUORATE_PART (`all` for everything), else the number of CI's run, else how many commits there are.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[1]


def part_of(items: Sequence[T], parts: int) -> list[T]:
    """Return every item whose place is this run's part, of so many."""
    turn = os.environ.get("QUORATE_PART") or os.environ.get("GITHUB_RUN_NUMBER") or commits()
    return list(items) if turn == "all" else list(items)[int(turn) % parts :: parts]


def commits() -> str:
    """How many commits lead to what is checked out; 0 outside of a repository."""
    done = subprocess.run(
        ["git", "rev-list", "--count", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "0"
