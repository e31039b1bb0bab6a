"""The program that reads compose files: the engine's plugin (`docker compose`) or the older `docker-compose`.

Only it knows what a file means (anchors, profiles, `.env`, `extends`), so quorate never reads one itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.cluster import commands
from quorate.harness.cluster.processes import RUN_MARK
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.registry import did_you_mean

_ASK_S: Final = 15.0
_UP_S: Final = 600.0  # images may have to be pulled or built
_TAIL: Final = 1500
MISSING: Final = "neither `docker compose` nor `docker-compose` is here"
MEND: Final = "apt-get install docker-compose (or docker-compose-plugin of Docker's own packages)"


class Compose(msgspec.Struct, frozen=True):
    """The program, and the file it is asked about."""

    words: tuple[str, ...]
    file: Path

    def services(self) -> list[str]:
        """Return the services of the file; raises `UsageError` with the program's own words for a bad one."""
        return sorted(self._config("--services").split())

    def modes(self) -> dict[str, str]:
        """Return the `network_mode` of the services that have one."""
        return network_modes(self._config())

    def _config(self, *more: str) -> str:
        argv = [*self._about(None), "config", *more]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_ASK_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Broken("compose", f"{' '.join(self.words)} does not answer: {error}") from error
        if done.returncode != 0:
            raise UsageError(f"--file {self.file}: {_last(done.stderr or done.stdout)}")
        return done.stdout

    async def create(self, project: str) -> None:
        """Make the project's containers and networks without starting anything."""
        await self._run(project, "up", "--no-start")

    async def up(self, project: str) -> None:
        """Start all services of the project in the file's own order."""
        await self._run(project, "up", "-d")

    async def _run(self, project: str, *words: str) -> None:
        # The mark lets the next start end this program where this process was killed while it worked.
        environment = {**os.environ, RUN_MARK: project}
        argv = [*self._about(project), *words]
        done = await commands.run(argv, timeout_s=_UP_S, env=environment, label=argv, check=False)
        if done.code != 0:
            shown = f"{' '.join(self.words)} {' '.join(words)}"
            raise Broken("compose", f"{shown} of {self.file} failed: {_last(done.stderr or done.stdout)}")

    def _about(self, project: str | None) -> list[str]:
        named = [] if project is None else ["-p", project]
        return [*self.words, *named, "-f", str(self.file)]


def network_modes(config: str) -> dict[str, str]:
    """Read them out of a file as the program prints it: normalised YAML, services indented by two, keys by four."""
    found, service, within = dict[str, str](), "", False
    for line in filter(str.strip, config.splitlines()):  # a long command may hold empty lines
        name, _, value = line.strip().partition(":")
        match len(line) - len(line.lstrip()):
            case 0:
                within = name == "services"
            case 2 if within:
                service = name.strip("'\"")
            case 4 if within and name == "network_mode":
                found[service] = value.strip().strip("'\"")
    return found


def find(file: Path) -> Compose:
    """Return the program for a file; raises `UsageError` with the command that installs one where there is neither."""
    if not file.is_file():
        raise UsageError(f"--file {file}: no such file")
    words = installed()
    if words is None:
        raise UsageError(f"--cluster compose needs a program that reads compose files, and {MISSING}: {MEND}")
    return Compose(words, file.resolve())


def installed() -> tuple[str, ...] | None:
    """Return the words that call the program on this machine, None where there is none."""
    return _plugin() or (("docker-compose",) if shutil.which("docker-compose") else None)


def check_services(compose: Compose, wanted: Sequence[str]) -> None:
    """Raise `UsageError` for a service that the file does not have."""
    known = compose.services()
    for service in wanted:
        if service not in known:
            hint = did_you_mean(service, known)
            raise UsageError(
                f"--service: {compose.file} has no service {service}{hint} (it has {', '.join(known)})"
            )


def _plugin() -> tuple[str, ...] | None:
    if shutil.which("docker") is None:
        return None
    try:
        asked = subprocess.run(
            ["docker", "compose", "version"], capture_output=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ("docker", "compose") if asked.returncode == 0 else None


def _last(text: str) -> str:
    return " ".join(text.split())[-_TAIL:]
