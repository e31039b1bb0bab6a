"""Servers built in a copy of their Go module: for those that cannot be built as somebody else's dependency.

Consul from 1.13 on replaces its own parts (api, sdk, proto-public) by folders of its repository, which the published
module does not carry. The versions of them that its go.mod requires are published, so dropping those lines is enough.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from quorate.harness.systems.releases import golang, tools
from quorate.harness.systems.releases.golang import GoModule, Module
from quorate.harness.systems.releases.way import Progress

_FETCH_S: Final = 600.0
_STEP_S: Final = 120.0


class ModuleCopy:
    """Copy the module out of Go's cache, drop what it replaces by folders that are not there, build its own main."""

    name = "Go module"

    def __init__(self, module: Module) -> None:
        self._module = module
        self._as_dependency = GoModule(module)

    def unable(self) -> str | None:
        """It needs the go command."""
        return tools.missing("go")

    def releases(self) -> list[str]:
        """The releases that were tried."""
        return list(self._module.known)

    def takes(self, release: str) -> bool:
        """Whether the release is in the range that builds this way."""
        return self._as_dependency.takes(release)

    def published(self) -> Sequence[str]:
        """Ask the module's proxy for all versions, once a process."""
        return self._as_dependency.published()

    def is_published(self, release: str) -> bool | None:
        """Ask the module's proxy for one version."""
        return self._as_dependency.is_published(release)

    def obtain(self, release: str, folder: Path, progress: Progress) -> str:
        """Fetch the module, copy it, and build."""
        with tools.scratch("build") as scratch:
            copy = Path(scratch) / self._module.binary
            progress(f"fetching {self._module.path}@v{release}")
            wanted = f"{self._module.path}@v{release}"
            told = golang.go(Path(scratch), "mod", "download", "-json", wanted, deadline_s=_FETCH_S)
            shutil.copytree(json.loads(told[told.index("{") :])["Dir"], copy)
            make_writable(copy)
            drop_folders(copy)
            golang.build(copy, self._module, release, folder, progress)
        return f"built from the Go module with {golang.go_version()}"


def make_writable(copy: Path) -> None:
    """Let a copy of what Go's cache holds read-only be changed and removed."""
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def drop_folders(copy: Path) -> None:
    """Drop the replacements by folders that are not there; others, by a path that is, and by versions, stay."""
    told: dict[str, Any] = json.loads(golang.go(copy, "mod", "edit", "-json", deadline_s=_STEP_S))
    for line in told.get("Replace") or ():
        target = line["New"]["Path"]
        if target.startswith(".") and not (copy / target / "go.mod").is_file():
            golang.go(copy, "mod", "edit", f"-dropreplace={line['Old']['Path']}", deadline_s=_STEP_S)
