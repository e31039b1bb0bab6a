"""What the members' own logs say of a run's anomalies: one file in its folder, for whoever shows the anomalies."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core import safely
from quorate.harness.core.outcome import Broken

FILE: Final = "why.json"
_BYTES_MAX: Final = 64 << 20


class Told(msgspec.Struct, frozen=True):
    """An entry of the log that a story speaks of; `effects` is what it did, in words, by member."""

    index: int
    term: int
    action: str
    holders: tuple[str, ...]
    effects: dict[str, str]
    through: str | None = None


class Story(msgspec.Struct, frozen=True):
    """What the logs say of one anomaly: sentences, the entries that they speak of, and which anomaly it is."""

    guarantee: str
    anomaly: str
    says: str
    key: Any = None
    culprit: int | None = None
    sentences: tuple[str, ...] = ()
    entries: tuple[Told, ...] = ()


class Why(msgspec.Struct, frozen=True):
    """The members' logs in a line each, and the stories in the order of the anomalies in results.json.

    `reason` says why there is no story; empty where there is one.
    """

    members: tuple[str, ...] = ()
    stories: tuple[Story, ...] = ()
    reason: str = ""

    def of(self, guarantee: str, says: str) -> Story | None:
        """Return the story of an anomaly, by its guarantee and its sentence."""
        return next((one for one in self.stories if (one.guarantee, one.says) == (guarantee, says)), None)


def keep(folder: Path, why: Why) -> None:
    """Write it into the run's folder; raise `Broken` where that fails."""
    try:
        (folder / FILE).write_bytes(msgspec.json.encode(why))
    except OSError as error:
        raise Broken("store", f"cannot write {folder / FILE}: {error}") from error


def kept(folder: Path) -> Why | None:
    """Read it; None where a run has none, or where it cannot be read."""
    try:
        return msgspec.json.decode(safely.contents(folder / FILE, _BYTES_MAX), type=Why)
    except (OSError, msgspec.DecodeError):
        return None
