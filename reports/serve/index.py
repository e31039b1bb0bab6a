"""The runs of a store as a list that stays current: a run's files are read once, and again only when they change."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core import safely
from quorate.harness.core.store import RESULTS, TEST
from quorate.reports.matrix import CAMPAIGN

DEPTH_MAX: Final = 6
RUNS_MAX: Final = 200_000
_FRESH_S: Final = 2.0
_BYTES_MAX: Final = 64 << 20
_DAMAGED: Final = "damaged"


class Entry(msgspec.Struct, frozen=True):
    """One run in the list; `path` is relative to the store, `stamp` changes when its files do."""

    path: str
    name: str
    started: str
    system: str
    workload: str
    faults: str
    seed: str
    verdict: str
    reason: str
    operations: int
    search: str


class CampaignEntry(msgspec.Struct, frozen=True):
    """One campaign in the list."""

    path: str
    name: str
    cells: int


class _Test(msgspec.Struct):
    name: Any = None
    system: Any = None
    release: Any = None
    workload: Any = None
    faults: Any = None
    seed: Any = None
    started: Any = None


class _Statistics(msgspec.Struct):
    operations: Any = 0


class _Results(msgspec.Struct):
    verdict: Any = None
    reason: Any = ""
    statistics: _Statistics = msgspec.field(default_factory=_Statistics)


class _Campaign(msgspec.Struct):
    name: Any = None
    cells: list[msgspec.Raw] = []


class Index:
    """A store's runs, newest first. Safe to use from several threads."""

    def __init__(self, store: Path) -> None:
        self.store = store.resolve()
        self._known: dict[str, tuple[tuple[int, ...], Entry | CampaignEntry]] = {}
        self._lock = threading.Lock()
        self._until = 0.0
        self._runs: list[Entry] = []
        self._campaigns: list[CampaignEntry] = []
        self._tests = msgspec.json.Decoder(_Test)
        self._results = msgspec.json.Decoder(_Results)

    def runs(self) -> Sequence[Entry]:
        """Return the runs, newest first, at most two seconds old."""
        self._refresh()
        return self._runs

    def campaigns(self) -> Sequence[CampaignEntry]:
        """Return the campaigns, newest first, at most two seconds old."""
        self._refresh()
        return self._campaigns

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() < self._until:
                return
            found: dict[str, tuple[tuple[int, ...], Entry | CampaignEntry]] = {}
            self._walk(str(self.store), "", 0, found)
            self._known = found
            entries = [entry for _, entry in found.values()]
            runs = [entry for entry in entries if isinstance(entry, Entry)]
            campaigns = [entry for entry in entries if isinstance(entry, CampaignEntry)]
            self._runs = sorted(runs, key=lambda entry: (entry.started, entry.path), reverse=True)
            self._campaigns = sorted(campaigns, key=lambda entry: entry.path.rpartition("/")[2], reverse=True)
            self._until = time.monotonic() + _FRESH_S

    def _walk(self, folder: str, path: str, depth: int, found: dict[str, Any]) -> None:
        """Look for runs and campaigns; links are not followed, so that nothing outside the store is shown."""
        if len(found) >= RUNS_MAX:
            return
        folders: list[str] = []
        stamps: dict[str, tuple[int, int]] = {}
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.name in (TEST, RESULTS, CAMPAIGN):
                        known = entry.stat()
                        stamps[entry.name] = (known.st_mtime_ns, known.st_size)
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
        except OSError:
            return
        is_run = path != "" and (TEST in stamps or RESULTS in stamps)
        if is_run or CAMPAIGN in stamps:
            self._take(folder, path, stamps, found)
        if not is_run and depth < DEPTH_MAX:
            for name in folders:
                self._walk(os.path.join(folder, name), f"{path}/{name}" if path else name, depth + 1, found)  # noqa: PTH118 - quick

    def _take(
        self, folder: str, path: str, stamps: Mapping[str, tuple[int, int]], found: dict[str, Any]
    ) -> None:
        stamp = tuple(number for name in (TEST, RESULTS, CAMPAIGN) for number in stamps.get(name, (0, 0)))
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            found[path] = known
        elif CAMPAIGN in stamps:
            campaign = _decoded(folder, CAMPAIGN, stamps, msgspec.json.Decoder(_Campaign))
            name = campaign.name if campaign else None
            found[path] = (
                stamp,
                CampaignEntry(path, str(name or path), len(campaign.cells) if campaign else 0),
            )
        else:
            found[path] = (stamp, self._entry(folder, path, stamps))

    def _entry(self, folder: str, path: str, stamps: Mapping[str, tuple[int, int]]) -> Entry:
        test = _decoded(folder, TEST, stamps, self._tests)
        results = _decoded(folder, RESULTS, stamps, self._results)
        verdict, reason = "no results", ""
        if results is not None:
            verdict, reason = str(results.verdict or "unknown"), str(results.reason or "")
        elif RESULTS in stamps:
            verdict, reason = _DAMAGED, f"{RESULTS} cannot be read"
        if test is None:
            if TEST in stamps:
                verdict = _DAMAGED
            test = _Test()
            reason = reason or f"{TEST} cannot be read"
        system = str(test.system or "?")
        if test.release and "@" not in system:
            system += f"@{test.release}"
        number = results.statistics.operations if results else 0
        parts = {
            "name": str(test.name or path.rpartition("/")[0] or path),
            "started": str(test.started or path.rpartition("/")[2]),
            "system": system,
            "workload": _joined(test.workload),
            "faults": _joined(test.faults) or "none",
            "seed": "" if test.seed is None else str(test.seed),
            "verdict": verdict,
            "reason": reason[:1000],
        }
        search = " ".join([path, *parts.values()]).lower()
        return Entry(path=path, operations=number if isinstance(number, int) else 0, search=search, **parts)


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def _decoded(folder: str, name: str, stamps: Mapping[str, tuple[int, int]], decoder: Any) -> Any:
    """Read one file, or None where it is missing, too large or damaged."""
    if name not in stamps or stamps[name][1] > _BYTES_MAX:
        return None
    try:
        with safely.opened(os.path.join(folder, name)) as file:  # noqa: PTH118 - ten thousand times
            return decoder.decode(file.read())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
