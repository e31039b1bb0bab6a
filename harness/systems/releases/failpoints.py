"""Servers built from a Go module with its failpoints switched in: `3.6.5+failpoints`.

etcd marks places in its code with comments that the tool gofail turns into code. Which of them act is decided at run
time, over HTTP (`GOFAIL_HTTP=host:port`, PUT /name with `panic` or `sleep(1000)`) or at start (`GOFAIL_FAILPOINTS`).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from quorate.harness.core import platform
from quorate.harness.core.outcome import Broken
from quorate.harness.core.progress import report
from quorate.harness.systems.releases import golang, tools
from quorate.harness.systems.releases.gocopy import make_writable
from quorate.harness.systems.releases.golang import Module
from quorate.harness.systems.releases.way import Progress

SUFFIX: Final = "+failpoints"
_GOFAIL: Final = "go.etcd.io/gofail"
_GOFAIL_VERSION: Final = "v0.2.0"
_STEP_S: Final = 120.0


class Failpoints:
    """Copy the module out of Go's cache, enable its failpoints, build against the copy."""

    name = "Go module with failpoints"

    def __init__(self, module: Module, known: tuple[str, ...]) -> None:
        self._module = module
        self._known = known

    def unable(self) -> str | None:
        """It needs the go command."""
        return tools.missing("go")

    def releases(self) -> list[str]:
        """The releases that were tried, with the suffix."""
        return [release + SUFFIX for release in self._known]

    def takes(self, release: str) -> bool:
        """Whether the suffix is there and the module is available without it."""
        plain = release.removesuffix(SUFFIX)
        return plain != release and golang.GoModule(self._module).takes(plain)

    def published(self) -> Sequence[str]:
        """Ask the module's proxy for all versions."""
        return [release + SUFFIX for release in golang.GoModule(self._module).published()]

    def is_published(self, release: str) -> bool | None:
        """Ask the module's proxy for the plain version."""
        return golang.GoModule(self._module).is_published(release.removesuffix(SUFFIX))

    def obtain(self, release: str, folder: Path, progress: Progress) -> str:
        """Build it; says how many failpoints there are."""
        plain = release.removesuffix(SUFFIX)
        with tools.scratch("build") as scratch:
            with platform.wanting(None):  # the tool runs here
                tool = _gofail(Path(scratch) / "tool", progress)
            work = Path(scratch) / "server-main"
            work.mkdir()
            golang.start(work, self._module)
            golang.fetch(work, self._module, plain, progress)
            copy = work / "server"
            cached = golang.go(work, "list", "-m", "-f", "{{.Dir}}", self._module.path, deadline_s=_STEP_S)
            shutil.copytree(cached.strip(), copy)
            points = _enable(tool, copy)
            require = f"-require={_GOFAIL}@{_GOFAIL_VERSION}"
            golang.go(copy, "mod", "edit", require, deadline_s=_STEP_S)
            replace = f"-replace={self._module.path}=./server"
            golang.go(work, "mod", "edit", require, replace, deadline_s=_STEP_S)
            golang.build(work, self._module, release, folder, progress)
        return f"built from the Go module with {points} failpoints and {golang.go_version()}"


def switch_in(module: Path, scratch: Path) -> int:
    """Turn the failpoints of a module's writable copy into code; return how many there are."""
    with platform.wanting(None):  # the tool runs here
        tool = _gofail(scratch, report)
    points = _enable(tool, module)
    golang.go(module, "mod", "edit", f"-require={_GOFAIL}@{_GOFAIL_VERSION}", deadline_s=_STEP_S)
    return points


def _gofail(work: Path, progress: Progress) -> Path:
    """Build the tool in a separate module, so that it does not sway the server's dependencies."""
    progress(f"building {_GOFAIL} {_GOFAIL_VERSION}")
    work.mkdir()
    (work / "go.mod").write_text("module quorate.local/tool\n\ngo 1.17\n")
    golang.go(work, "get", f"{_GOFAIL}@{_GOFAIL_VERSION}", deadline_s=_STEP_S)
    golang.go(work, "build", "-mod=mod", "-o", "gofail", _GOFAIL, deadline_s=_STEP_S)
    return work / "gofail"


def _enable(tool: Path, copy: Path) -> int:
    """Turn the comments of all folders into code; return how many failpoints there are."""
    make_writable(copy)
    marked = [
        path
        for path in copy.rglob("*.go")
        if not path.name.endswith("_test.go") and "// gofail: var" in path.read_text(errors="replace")
    ]
    if not marked:
        raise Broken("no-failpoints", "this release has no failpoints in its code")
    points = sum(path.read_text(errors="replace").count("// gofail: var") for path in marked)
    folders = sorted({str(path.parent.relative_to(copy)) for path in marked})
    tools.run([str(tool), "enable", *folders], cwd=copy, deadline_s=_STEP_S)
    return points
