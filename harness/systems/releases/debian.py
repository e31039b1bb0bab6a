"""Servers out of Debian's packages of any suite: a separate apt, nothing installed, no root needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core.outcome import Broken
from quorate.harness.core.platform import here, wanted
from quorate.harness.systems.releases import tools
from quorate.harness.systems.releases.way import Progress, numbers

MIRROR: Final = "http://deb.debian.org/debian"
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_UPDATE_S: Final = 240.0
_DOWNLOAD_S: Final = 240.0


class Package(msgspec.Struct, frozen=True):
    """A package that holds a server: `suites` maps its releases to Debian's, `member` is the path within."""

    name: str
    suites: dict[str, str]
    member: str


class Debian:
    """`apt-get download` with a configuration and lists of our own, then `dpkg-deb -x`."""

    name = "Debian package"

    def __init__(self, package: Package) -> None:
        self._package = package

    def unable(self) -> str | None:
        """It needs apt-get and dpkg-deb, and Debian's keys to check what it gets."""
        if wanted() != here():
            return f"gives this host's platform, not {wanted()}"
        return tools.missing("apt-get", "dpkg-deb") or (
            None if _KEYRING.is_file() else f"{_KEYRING} not found (package debian-archive-keyring)"
        )

    def releases(self) -> list[str]:
        """The releases of the suites that have one, newest first."""
        return sorted(self._package.suites, key=numbers, reverse=True)

    def takes(self, release: str) -> bool:
        """Whether a suite has it."""
        return release in self._package.suites

    def obtain(self, release: str, folder: Path, progress: Progress) -> str:
        """Fetch the suite's lists and the package, check that it is the release, unpack, take the binary."""
        suite = self._package.suites[release]
        progress(f"downloading {self._package.name} {release} from Debian {suite}")
        with tools.scratch("apt") as scratch:
            work = Path(scratch)
            config = _configure(work, suite)
            env = {"APT_CONFIG": str(config), "DEBIAN_FRONTEND": "noninteractive"}
            tools.run(["apt-get", "update", "-q"], cwd=work, deadline_s=_UPDATE_S, env=env)
            tools.run(
                ["apt-get", "download", "-q", self._package.name], cwd=work, deadline_s=_DOWNLOAD_S, env=env
            )
            package = self._downloaded(work, release, suite)
            tools.run(["dpkg-deb", "-x", package.name, "tree"], cwd=work, deadline_s=60.0)
            target = folder / self._package.member.rpartition("/")[2]
            target.write_bytes((work / "tree" / self._package.member).read_bytes())
            target.chmod(0o755)
        return f"from the package of Debian {suite}"

    def _downloaded(self, work: Path, release: str, suite: str) -> Path:
        packages = list(work.glob(f"{self._package.name}_*.deb"))
        if len(packages) != 1:
            raise Broken("no-package", f"apt-get left {len(packages)} packages {self._package.name}")
        version = packages[0].name.split("_")[1].replace("%3a", ":").rpartition(":")[2]
        if not version.startswith(release):
            raise Broken(
                "no-release", f"Debian {suite} has {self._package.name} {version} now, not {release}"
            )
        return packages[0]


def _configure(work: Path, suite: str) -> Path:
    """Write an apt configuration that touches nothing outside `work`."""
    for name in ("lists/partial", "archives/partial", "etc", "tree"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    mirror = os.environ.get("QUORATE_DEBIAN_MIRROR", MIRROR)
    (work / "etc" / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n")
    options = {
        "Dir::Etc": f"{work}/etc",
        "Dir::Etc::sourcelist": f"{work}/etc/sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::main": "-",
        "Dir::Etc::parts": "-",
        "Dir::Etc::preferencesparts": "-",
        "Dir::State": str(work),
        "Dir::State::lists": f"{work}/lists",
        "Dir::State::status": f"{work}/status",
        "Dir::Cache": str(work),
        "Dir::Cache::archives": f"{work}/archives",
        "Acquire::Check-Valid-Until": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "APT::Sandbox::User": "",
    }
    config = work / "apt.conf"
    config.write_text("".join(f'{key} "{value}";\n' for key, value in options.items()))
    return config
