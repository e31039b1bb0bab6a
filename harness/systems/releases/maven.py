"""ZooKeeper's jars from Maven: one small download that runs on any JRE from 8 to 17 and later."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import msgspec

from quorate.harness.core.outcome import Broken
from quorate.harness.systems.releases import download, tools
from quorate.harness.systems.releases.way import Progress, numbers

_DEADLINE_S: Final = 300.0
_CENTRAL: Final = "https://repo.maven.apache.org/maven2"
_SETTINGS: Final = Path.home() / ".m2" / "settings.xml"
_FOREIGN: Final = ("-osx-", "-windows-")
_POM: Final = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local.quorate</groupId>
  <artifactId>server</artifactId>
  <version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""


class Extra(msgspec.Struct, frozen=True):
    """What the server needs at run time and does not name as such: from this release on, until the next entry."""

    since: tuple[int, ...]
    artifacts: tuple[str, ...]


class Artifact(msgspec.Struct, frozen=True):
    """A server published as group:artifact, with extras in order of `since`."""

    name: str
    known: tuple[str, ...]
    oldest: str
    extras: tuple[Extra, ...] = ()


class Maven:
    """`mvn dependency:copy-dependencies` on a pom of ours with the one dependency."""

    name = "Maven"

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    def unable(self) -> str | None:
        """It needs Maven."""
        return tools.missing("mvn")

    def releases(self) -> list[str]:
        """The releases that were tried."""
        return list(self._artifact.known)

    def takes(self, release: str) -> bool:
        """Whether it may be published: any release since the oldest is tried."""
        return "+" not in release and numbers(release) >= numbers(self._artifact.oldest)

    def published(self) -> Sequence[str]:
        """Read the list of versions at Maven Central, once a process; none where it does not answer."""
        return tuple(release for release in _versions(self._artifact.name) if self.takes(release))

    def is_published(self, release: str) -> bool | None:
        """Look into Central's list; a mirror of the user's own, whose list this is not, may have more."""
        known = _versions(self._artifact.name)
        if release in known:
            return True
        return None if not known or _SETTINGS.is_file() else False

    def obtain(self, release: str, folder: Path, progress: Progress) -> str:
        """Resolve the dependencies and copy all jars."""
        progress(f"fetching {self._artifact.name}:{release} and what it needs from Maven")
        with tools.scratch("mvn") as scratch:
            work = Path(scratch)
            wanted = [f"{self._artifact.name}:{release}", *self._extras(release)]
            if binding := _binding(_copy(work, wanted)):
                _copy(work, [*wanted, binding])
            target = folder / "jars"
            target.mkdir()
            for jar in sorted((work / "jars").glob("*.jar")):
                if not any(part in jar.name for part in _FOREIGN):
                    shutil.copyfile(jar, target / jar.name)
        return "from Maven"

    def _extras(self, release: str) -> tuple[str, ...]:
        found: tuple[str, ...] = ()
        for extra in self._artifact.extras:
            if numbers(release) >= extra.since:
                found = extra.artifacts
        return found


@cache
def _versions(name: str) -> tuple[str, ...]:
    central = os.environ.get("QUORATE_MAVEN_MIRROR", _CENTRAL).rstrip("/")
    path = "/".join(part.replace(".", "/") if at == 0 else part for at, part in enumerate(name.split(":")))
    try:
        text = download.data(f"{central}/{path}/maven-metadata.xml").decode(errors="replace")
    except Broken:
        return ()
    return tuple(re.findall(r"<version>([^<]+)</version>", text))


def _copy(work: Path, artifacts: list[str]) -> list[str]:
    """Copy the artifacts and all they need to `work/jars`; return the names of the jars."""
    (work / "pom.xml").write_text(_pom(artifacts))
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={work}/jars"]
    try:
        tools.run(["mvn", "-q", "-B", "-ntp", *goal], cwd=work, deadline_s=_DEADLINE_S)
    except Broken as error:
        if "Could not find artifact" in error.text or "was not found in" in error.text:
            raise Broken("no-release", f"{artifacts[0]} is not published") from error
        raise
    return [jar.name for jar in (work / "jars").glob("*.jar")]


def _binding(jars: list[str]) -> str | None:
    """The logger to add so that the server's log is written at all; None where it brings one.

    The releases leave the choice to who runs them; the two generations of slf4j find theirs in different ways.
    """
    if any(jar.startswith(("logback-classic", "slf4j-log4j12", "slf4j-reload4j")) for jar in jars):
        return None
    second = any(jar.startswith("slf4j-api-2") for jar in jars)
    return "ch.qos.logback:logback-classic:" + ("1.3.15" if second else "1.2.13")


def _pom(artifacts: list[str]) -> str:
    lines = []
    for artifact in artifacts:
        group, name, version = (escape(part) for part in artifact.split(":"))
        inner = f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
        lines.append(f"    <dependency>{inner}</dependency>")
    return _POM.format(dependencies="\n".join(lines))
