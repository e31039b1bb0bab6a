"""Where a run or a campaign lies: what people type, as a folder; what is not there is their input to fix (exit 4)."""

from __future__ import annotations

from pathlib import Path

from quorate.harness.core import store
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError

CAMPAIGN = "campaign.json"


def run_folder(path: str | Path) -> Path:
    """Return the folder of a run for a path to it, to a file in it, or to `latest`; raise `UsageError` otherwise."""
    if is_campaign(path):
        raise UsageError(
            f"{path} is a campaign: name one of its runs, {path}/runs/…, or see `quorate show {path}`"
        )
    try:
        return store.resolve(path)
    except Broken as error:
        hint = (
            "" if Path(path).exists() else "; `quorate test` makes one, `quorate serve` shows those there are"
        )
        raise UsageError(f"{error.text}{hint}") from error


def is_campaign(path: str | Path) -> bool:
    """Whether a path leads to a campaign's folder."""
    return (Path(path) / CAMPAIGN).is_file()
