"""A reproducer without quorate: a shell script with plain client calls, where the anomaly is that simple.

A script is handed out only after it has shown the anomaly here, each time that it was tried, against the same release.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.cluster import commands
from quorate.harness.core import reading
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import Test
from quorate.harness.experiments import etcd_script
from quorate.harness.experiments.candidate import write
from quorate.harness.history import History
from quorate.harness.systems.releases import resolve_async

SCRIPT: Final = "reproduce.sh"
SHOWN: Final = 1  # the exit code of a script that has shown it
_TRIES: Final = 3
_LIMIT_S: Final = 40.0
_VARIANTS_MAX: Final = 12
_PORT: Final = 24790


class Reproducer(msgspec.Struct, frozen=True):
    """The script and in how many of its tries it showed the anomaly, or why there is none."""

    file: str | None = None
    tries: int = 0
    why: str = ""

    def words(self) -> str:
        """Write it in a line."""
        return f"{self.file} ({self.tries} of {self.tries} tries)" if self.file else f"none: {self.why}"


async def reproduce(test: Test, shown: Path | None, folder: Path, *, faults: int) -> Reproducer:
    """Make a script of a run that showed the anomaly, try it, and keep it if it shows it each time."""
    reason = _unfit(test, shown, faults)
    if reason or shown is None:
        return Reproducer(why=reason)
    anomalies = [anomaly for result in reading.results(shown).guarantees for anomaly in result.anomalies]
    scripts = list(etcd_script.scripts(History.read(shown), anomalies, test))[:_VARIANTS_MAX]
    if not scripts:
        return Reproducer(
            why="nothing that this run shows can be written as a few calls, one after the other"
        )
    try:
        server = await resolve_async(test.system_name, test.release)
    except Broken as error:
        return Reproducer(why=error.text)
    return await _first_that_shows(scripts, server.binary, folder / SCRIPT)


def _unfit(test: Test, shown: Path | None, faults: int) -> str:
    if test.system_name != "etcd":
        return f"scripts are made for etcd alone, not for {test.system_name}"
    if "binary" in test.settings or test.image is not None:
        return "scripts are tried against releases, not against a user's own binary or image"
    if faults:
        return "the anomaly needs faults"
    return "" if shown is not None and shown.is_dir() else "no run of it is kept"


async def _first_that_shows(scripts: Iterable[str], binary: Path, path: Path) -> Reproducer:
    """Try the scripts in order, the shortest first."""
    tried = 0
    for text in scripts:
        _write(path, text)
        tried += 1
        if await _shows(path, binary):
            return Reproducer(file=str(path), tries=_TRIES)
    _write(path, None)
    return Reproducer(why=f"{tried} scripts were tried and none showed the anomaly each time")


async def _shows(path: Path, binary: Path) -> bool:
    """Whether a script shows the anomaly each time that it is tried."""
    for _ in range(_TRIES):
        if await _run(path, binary) != SHOWN:
            return False
    return True


def _write(path: Path, text: str | None) -> None:
    """Write an executable script, or take it away."""
    if text is None:
        path.unlink(missing_ok=True)
    else:
        write(path, text)
        path.chmod(0o755)


async def _run(path: Path, binary: Path) -> int | None:
    """Run a script, and end what it started with it; return its exit code, or None where it did not end in time."""
    environment = {**os.environ, "ETCD": str(binary), "PORT": str(_PORT)}
    try:
        done = await commands.run(
            ["bash", str(path)], timeout_s=_LIMIT_S, env=environment, check=False, alone=True
        )
    except Broken:
        return None
    return done.code
