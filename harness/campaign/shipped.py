"""Campaign files that come with quorate: `quorate campaign smoke` finds them by name."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from quorate.harness.core.registry import did_you_mean
from quorate.harness.core.test import UsageError

_COMMENT: Final = re.compile(r"^#\s*(.+)$", re.MULTILINE)


def folder() -> Path:
    """Where they are: `campaigns` in the package."""
    return Path(str(files("quorate"))) / "campaigns"


def shipped() -> dict[str, Path]:
    """Return their paths by name."""
    return {path.stem: path for path in sorted(folder().glob("*.toml"))}


def described() -> dict[str, str]:
    """Return the first comment of each by name."""
    found = {}
    for name, path in shipped().items():
        comment = _COMMENT.search(path.read_text("utf-8"))
        found[name] = comment.group(1) if comment else ""
    return found


def located(given: str) -> Path:
    """Return the file of this path, or else of this name; raises `UsageError` with all names where there is none."""
    path = Path(given)
    if path.is_file():
        return path
    known = shipped()
    if given in known:
        return known[given]
    if path.is_dir():
        raise UsageError(f"{given} is a folder: give a campaign's file")
    raise UsageError(
        f"campaign file {given} does not exist{did_you_mean(given, list(known))} "
        f"(quorate brings {', '.join(known)})"
    )
