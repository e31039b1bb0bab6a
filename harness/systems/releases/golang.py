"""Servers built from a Go module: a main of ours of a few lines calls the module's own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core import platform
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.releases import tools
from quorate.harness.systems.releases.way import Progress, numbers

_ASK_S: Final = 5.0
_FETCH_S: Final = 600.0
_BUILD_S: Final = 1800.0  # Consul takes four minutes on two idle cores

ETCD_MAIN: Final = """\
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
"""


ETCDUTL_MAIN: Final = """\
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
)

func main() {
	root := &cobra.Command{Use: "etcdutl", SilenceUsage: true, SilenceErrors: true}
	root.PersistentFlags().StringVarP(&etcdutl.OutputFormat, "write-out", "w", "simple", "the output format")
	root.AddCommand(etcdutl.NewSnapshotCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}
"""


CONSUL_MAIN: Final = """\
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/hashicorp/consul/command"
	"github.com/hashicorp/consul/command/cli"
	"github.com/hashicorp/consul/command/version"
	"github.com/hashicorp/consul/lib"
	mcli "github.com/mitchellh/cli"
)

func main() {
	lib.SeedMathRand()
	log.SetOutput(io.Discard)
	ui := &cli.BasicUI{BasicUi: mcli.BasicUi{Writer: os.Stdout, ErrorWriter: os.Stderr}}
	program := &mcli.CLI{Name: "consul", Args: os.Args[1:], Commands: command.CommandsFromRegistry(ui)}
	if program.IsVersion() {
		os.Exit(version.New(ui).Run(nil))
	}
	code, err := program.Run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
"""


_NO_SUCH_VERSION: Final = (
    "unknown revision",
    "no matching versions",
    "invalid version",
    "version is not available",
    "404 Not Found",
)


class Module(msgspec.Struct, frozen=True):
    """A Go module that holds a server: `main` is our program, `binary` the name of what it becomes.

    `known` are releases that were built and started; any from `oldest` on is tried.
    """

    path: str
    main: str
    binary: str
    known: tuple[str, ...]
    oldest: str
    newest: str | None = None


class GoModule:
    """Build a published version of a module (`go install` refuses modules with replace lines)."""

    name = "Go module"

    def __init__(self, module: Module) -> None:
        self._module = module

    def unable(self) -> str | None:
        """It needs the go command."""
        return tools.missing("go")

    def releases(self) -> list[str]:
        """The releases that were tried."""
        return list(self._module.known)

    def takes(self, release: str) -> bool:
        """Whether the module has been published since before this release."""
        found = numbers(release)
        newest = self._module.newest
        if len(found) != 3 or "+" in release:  # noqa: PLR2004 - major, minor, patch
            return False
        return numbers(self._module.oldest) <= found and (newest is None or found <= numbers(newest))

    def published(self) -> Sequence[str]:
        """Ask the module's proxy for all versions, once a process."""
        return tuple(release for release in _versions(self._module.path) if self.takes(release))

    def is_published(self, release: str) -> bool | None:
        """Ask the module's proxy for one version."""
        return _exists(self._module.path, release)

    def obtain(self, release: str, folder: Path, progress: Progress) -> str:
        """Fetch the module and its dependencies, and build."""
        with tools.scratch("build") as scratch:
            work = Path(scratch)
            start(work, self._module)
            fetch(work, self._module, release, progress)
            build(work, self._module, release, folder, progress)
        return f"built from the Go module with {go_version()}"


@cache
def _versions(path: str) -> tuple[str, ...]:
    try:
        told = _asked("-versions", path)
    except Broken:
        return ()
    return tuple(version.removeprefix("v") for version in told.split()[1:])


@cache
def _exists(path: str, release: str) -> bool | None:
    try:
        _asked(f"{path}@v{release}")
    except Broken as error:
        return False if any(words in error.text for words in _NO_SUCH_VERSION) else None
    return True


def _asked(*words: str) -> str:
    with tools.scratch("ask") as scratch:
        return go(Path(scratch), "list", "-m", *words, deadline_s=_ASK_S)


def start(work: Path, module: Module) -> None:
    """Lay out our program in an empty folder."""
    (work / "main.go").write_text(module.main)
    (work / "go.mod").write_text(f"module quorate.local/{module.binary}\n\ngo 1.17\n")


def fetch(work: Path, module: Module, release: str, progress: Progress) -> None:
    """Add the module at the release; raises `Broken` where no such version is published."""
    progress(f"fetching {module.path}@v{release}")
    try:
        go(work, "get", f"{module.path}@v{release}", deadline_s=_FETCH_S)
    except Broken as error:
        if any(words in error.text for words in _NO_SUCH_VERSION):
            raise Broken("no-release", f"{module.path} has no version v{release}") from error
        raise


def build(work: Path, module: Module, release: str, folder: Path, progress: Progress) -> None:
    """Build our program into the folder, static and stripped, without paths of this machine."""
    progress(f"building {module.binary} {release} (a minute or two; once)")
    target = str(folder / module.binary)
    go(work, "build", "-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", target, ".", deadline_s=_BUILD_S)


def go(work: Path, *argv: str, deadline_s: float) -> str:
    """Run the go command there, deaf to the user's GOFLAGS and workspace; it builds for the wanted platform."""
    target = platform.wanted()
    isolated = {
        "GOOS": target.os,
        "GOARCH": target.arch,
        "GOFLAGS": "-modcacherw",
        "GOWORK": "off",
        "GO111MODULE": "on",
        "CGO_ENABLED": "0",
    }
    return tools.run(["go", *argv], cwd=work, deadline_s=deadline_s, env=isolated)


def go_version() -> str:
    """The version of the go command, e.g. go1.26.8."""
    try:
        done = subprocess.run(
            ["go", "env", "GOVERSION"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "go"
    return done.stdout.strip()
