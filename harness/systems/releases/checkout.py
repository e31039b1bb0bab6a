"""A server built from a checkout of its source, as it stands or at a revision: `--build ../etcd@my-branch`.

Built from a copy, so that the checkout is not touched, and kept in the cache of servers by the hash of its tree: what
is not committed counts as well, and the same source is built once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.cluster.local.rootless import outside
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.progress import report
from quorate.harness.systems.releases import cache, failpoints, gocopy, golang, tools
from quorate.harness.systems.releases.server import Server
from quorate.harness.systems.releases.way import Progress

_GIT_S: Final = 60.0
_BUILD_S: Final = 1800.0
_LOCK_S: Final = 2700.0
_HASH: Final = 16
_BUILT: Final = ("etcd", "consul")


class Checkout(msgspec.Struct, frozen=True):
    """What `--build` names: a folder, a revision (None: as it stands), and whether failpoints are switched in."""

    folder: Path
    revision: str | None = None
    failpoints: bool = False

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.folder}{revision}{failpoints.SUFFIX if self.failpoints else ''}"


def read(system: str, text: str) -> Checkout:
    """Take `DIR[@REV][+failpoints]` apart; raises `UsageError` for a system that is not built, or no checkout."""
    if system not in _BUILT:
        own = "give its jars with --set jars=DIR" if system == "zookeeper" else "it has no server"
        raise UsageError(f"--build {text}: only {' and '.join(_BUILT)} are built from a checkout; {own}")
    plain = text.removesuffix(failpoints.SUFFIX)
    if plain != text and system != "etcd":
        raise UsageError(f"--build {text}: only etcd has failpoints")
    folder, _, revision = (plain, "", "") if Path(plain).is_dir() else plain.rpartition("@")
    path = Path(folder or plain).expanduser().absolute()
    if not path.is_dir():
        raise UsageError(f"--build {text}: no folder {path}")
    if not any((path / place / "go.mod").is_file() for place in ("", "server")):
        raise UsageError(
            f"--build {text}: {path} is not a checkout of {system} (no go.mod, no server/go.mod)"
        )
    return Checkout(path, revision or None, plain != text)


def unable(checkout: Checkout) -> str | None:
    """Say why this machine cannot build it, or None. Raises `UsageError` for a revision that is not there."""
    if why := tools.missing("go", "git"):
        return f"--build {checkout}: {why}"
    with tempfile.TemporaryDirectory(prefix="quorate-tree-") as scratch:
        _tree(checkout, Path(scratch))
    return None


def build(system: str, checkout: Checkout, progress: Progress | None = None) -> Server:
    """Return its server, built where the cache has none of this tree; raises `Broken` with the compiler's words."""
    return outside(lambda: _build(system, checkout, progress or report))


def _build(system: str, checkout: Checkout, say: Progress) -> Server:
    with tempfile.TemporaryDirectory(prefix="quorate-checkout-") as scratch:
        work = Path(scratch)
        tree, git = _tree(checkout, work / "objects")
        name = f"build-{tree[:_HASH]}{failpoints.SUFFIX if checkout.failpoints else ''}"
        with cache.lock(system, name, _LOCK_S):
            if found := cache.find(system, name):
                return found
            say(f"building {system} from {checkout} (a minute or two; once)")
            source = work / "source"
            _export(checkout, tree, git, source)
            return cache.add(system, name, lambda folder: _compile(system, checkout, source, folder, work))


def _compile(system: str, checkout: Checkout, source: Path, folder: Path, work: Path) -> str:
    module = source / "server" if (source / "server" / "go.mod").is_file() else source
    points = failpoints.switch_in(module, work / "tool") if checkout.failpoints else 0
    gocopy.drop_folders(module)
    target = str(folder / system)
    flags = ("-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", target)
    golang.go(module, "build", *flags, ".", deadline_s=_BUILD_S)
    switched = f" with {points} failpoints" if points else ""
    return f"built from {checkout}{switched} with {golang.go_version()}"


def _tree(checkout: Checkout, objects: Path) -> tuple[str, Mapping[str, str]]:
    """Return the hash of the tree to build, and the environment in which git knows it.

    What is not committed is put together through an index and a store of objects of our own: git's folder is only
    read.
    """
    folder = checkout.folder
    if checkout.revision is not None:
        try:
            found = _git(folder, "rev-parse", "--verify", "--quiet", f"{checkout.revision}^{{tree}}")
        except Broken as error:
            raise UsageError(
                f"--build {checkout}: the checkout knows no revision {checkout.revision}"
            ) from error
        return found, {}
    try:
        known = _git(folder, "rev-parse", "--git-path", "objects")
    except Broken as error:
        raise UsageError(f"--build {checkout}: {folder} is not a git checkout") from error
    objects.mkdir(parents=True, exist_ok=True)
    own = {
        "GIT_INDEX_FILE": str(objects.parent / "index"),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((folder / known).absolute()),
    }
    _git(folder, "add", "--all", ".", env=own)
    return _git(folder, "write-tree", env=own), own


def _export(checkout: Checkout, tree: str, git: Mapping[str, str], target: Path) -> None:
    target.mkdir()
    bundle = target.with_suffix(".tar")
    _git(checkout.folder, "archive", "--format=tar", f"--output={bundle}", tree, env=git)
    tools.run(["tar", "-xf", str(bundle)], cwd=target, deadline_s=_GIT_S)
    bundle.unlink()


def _git(folder: Path, *argv: str, env: Mapping[str, str] | None = None) -> str:
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "HOME": os.environ.get("HOME", "/")}
    # A checkout may belong to another user, as in a container.
    command = ["git", "-c", "safe.directory=*", "-c", "core.autocrlf=false", *argv]
    return tools.run(command, cwd=folder, deadline_s=_GIT_S, env={**quiet, **(env or {})}).strip()
