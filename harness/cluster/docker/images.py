"""Node images: built once from Debian's packages, named by what they hold, layers shared.

`mmdebstrap` makes the tree of the base in about 25 s; a kind built upon it installs its packages into a copy of that
tree, and only what changed becomes a layer upon the base. Where it is missing, or the engine runs another platform than
this host, the engine builds them from a registry's Debian (`dockerfiles`).
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import docker
import msgspec

from quorate.harness.cluster.docker import dockerfiles, engine
from quorate.harness.cluster.state import state_directory
from quorate.harness.core.clock import until_blocking
from quorate.harness.core.outcome import Broken
from quorate.harness.core.platform import here
from quorate.harness.core.progress import report
from quorate.harness.core.registry import did_you_mean
from quorate.harness.core.test import UsageError

REPOSITORY = "quorate-node"
BUILD_DEADLINE_S = 600.0
_RECIPES = Path(__file__).with_name("node-images.toml")
_REVISION = "1"  # of this builder: raise it when the same recipe makes another image
_TAIL = 1500
_MEND = (
    "install mmdebstrap (`apt-get install mmdebstrap`), which needs no registry; or let the engine reach one "
    "(QUORATE_BASE_IMAGE names a Debian of another); or give an image of your own with --image"
)

Progress = Callable[[str], None]


class Recipe(msgspec.Struct, frozen=True, rename={"base": "from"}):
    """What one kind of image holds, and upon which kind it stands."""

    packages: tuple[str, ...]
    base: str | None = None
    directories: tuple[str, ...] = ()


class Recipes(msgspec.Struct, frozen=True):
    """All kinds of images."""

    suite: str
    variant: str
    exclude: tuple[str, ...]
    kinds: dict[str, Recipe]

    def tag(self, kind: str) -> str:
        """Return the image's full name: the kind and a hash of everything it is made from."""
        return f"{REPOSITORY}:{kind}-{self._hash(kind)[:12]}"

    def _hash(self, kind: str) -> str:
        recipe = self.kinds[kind]
        below = self._hash(recipe.base) if recipe.base else ""
        parts = [
            _REVISION,
            self.suite,
            self.variant,
            *self.exclude,
            below,
            *recipe.packages,
            *recipe.directories,
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class NodeImage(msgspec.Struct, frozen=True):
    """One kind of node image, for `quorate images list`; `bytes` is 0 until it is built."""

    kind: str
    tag: str
    built: bool
    bytes: int = 0


def recipes(path: Path = _RECIPES) -> Recipes:
    """Read the recipes."""
    raw = tomllib.loads(path.read_text())
    kinds = {name: msgspec.convert(value, Recipe) for name, value in raw.items() if isinstance(value, dict)}
    return Recipes(raw["suite"], raw["variant"], tuple(raw["exclude"]), kinds)


def by_engine(api: docker.APIClient) -> bool:
    """Whether the engine has to build: mmdebstrap is not here, or would make this host's platform, not the engine's."""
    return shutil.which("mmdebstrap") is None or engine.platform(api) != _host()


def _host() -> tuple[str, str]:
    found = here()
    return found.os, found.arch


def list_images() -> list[NodeImage]:
    """Return every kind of image and whether the engine has it."""
    api = engine.connect()
    known = recipes()
    sizes = {kind: _size(api, known.tag(kind)) for kind in known.kinds}
    return [NodeImage(kind, known.tag(kind), size is not None, size or 0) for kind, size in sizes.items()]


def ensure_image(
    kind: str = "base", *, progress: Progress | None = None, deadline_s: float = BUILD_DEADLINE_S
) -> str:
    """Return the tag of a node image, building it first where the engine does not have it.

    Builds of several processes wait for each other. `progress` hears what is built (by default the run that waits,
    else standard error). Raises `UsageError` for an unknown kind, else `Broken` with the fix, also when the deadline
    passes.
    """
    known = recipes()
    if kind not in known.kinds:
        hint = did_you_mean(kind, list(known.kinds))
        raise UsageError(f"no node image is called {kind!r}{hint} (there are {', '.join(known.kinds)})")
    api = engine.connect()
    tag = known.tag(kind)
    if _size(api, tag) is not None:
        return tag
    say = progress or report
    end = time.monotonic() + deadline_s
    with _alone(end, say), tempfile.TemporaryDirectory(prefix="quorate-image-") as folder:
        return _Builder(known, Path(folder), say, end).build(kind)


class _Builder:
    """One build; `trees` holds the tarballs of the kinds made in it."""

    def __init__(self, known: Recipes, folder: Path, say: Progress, end: float) -> None:
        self._known = known
        self._folder = folder
        self._say = say
        self._end = end
        self._api = engine.connect(timeout_s=int(BUILD_DEADLINE_S))

    def build(self, kind: str) -> str:
        recipe, tag = self._known.kinds[kind], self._known.tag(kind)
        if _size(self._api, tag) is not None:  # another process built it while this one waited
            return tag
        started = time.monotonic()
        if by_engine(self._api):
            self._by_engine(kind, recipe, tag)
        elif recipe.base is None:
            self._say(f"building the node image {tag} from Debian {self._known.suite} (once, about 30 s)")
            tree = self._tree(kind, recipe, None)
            with engine.translated(f"importing {tag}"):
                self._api.import_image_from_file(str(tree), *tag.split(":"))
        else:
            below = self.build(recipe.base)
            self._say(f"building the node image {tag} upon {below} (once, about 30 s)")
            lower = self._exported(recipe.base, below)
            self._add_layer(tag, below, lower, self._tree(kind, recipe, lower))
        size = _size(self._api, tag)
        self._api.tag(tag, REPOSITORY, kind, force=True)  # the name for people and for docker/compose.yaml
        if size is None:
            raise Broken("no-image", f"the engine does not know {tag} although it was just built")
        self._say(f"built {tag}: {size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")
        return tag

    def _by_engine(self, kind: str, recipe: Recipe, tag: str) -> None:
        """Let the engine build it upon the kind below, or upon the registry's Debian."""
        known = self._known
        below = self.build(recipe.base) if recipe.base else dockerfiles.base_image(known.suite)
        self._say(f"the engine builds the node image {tag} from {below} (once, a minute or so)")
        text = dockerfiles.dockerfile(below, recipe.packages, recipe.directories, known.exclude)
        try:
            dockerfiles.build(self._api, tag, text)
        except Broken as error:
            raise Broken(error.code, f"{error.text}. For the node image {kind}: {_MEND}") from error

    def _tree(self, kind: str, recipe: Recipe, lower: Path | None) -> Path:
        """Make the tarball of a kind's whole file system, starting from `lower` if it stands upon another kind."""
        target, excludes = self._folder / f"{kind}.tar", self._folder / "dpkg-excludes"
        excludes.write_text("".join(f"path-exclude={pattern}\n" for pattern in self._known.exclude))
        argv = ["mmdebstrap", "--quiet", '--aptopt=Acquire::Retries "3"', f"--dpkgopt={excludes}"]
        argv.append(f"--include={','.join(recipe.packages)}")
        if lower is None:
            argv.append(f"--variant={self._known.variant}")
        else:
            directories = " ".join(f'"$1"{directory}' for directory in recipe.directories)
            unpack = f"tar -C \"$1\" --exclude='./dev/*' --exclude='dev/*' -xf '{lower}'"
            argv += ["--variant=custom", "--skip=check/empty", f"--setup-hook={unpack}"]
            argv += [f"--setup-hook=mkdir -p {directories}"] if directories else []
        self._execute([*argv, self._known.suite, str(target)])
        return target

    def _exported(self, kind: str, tag: str) -> Path:
        """Return the tarball of an image's file system: made just now, or exported from the engine."""
        target = self._folder / f"{kind}.tar"
        if not target.exists():
            with engine.translated(f"reading {tag}"):
                container = self._api.create_container(tag, ["true"])["Id"]
                try:
                    with target.open("wb") as file:
                        for chunk in self._api.export(container):
                            file.write(chunk)
                finally:
                    self._api.remove_container(container, force=True)
        return target

    def _add_layer(self, tag: str, below: str, lower: Path, upper: Path) -> None:
        layer = self._folder / "layer.tar"
        write_difference(lower, upper, layer)
        text = f"FROM {below}\nADD layer.tar /\n".encode()
        context = self._folder / "context.tar"
        with tarfile.open(context, "w") as archive:
            header = tarfile.TarInfo("Dockerfile")
            header.size = len(text)
            archive.addfile(header, io.BytesIO(text))
            archive.add(layer, "layer.tar")
        with engine.translated(f"building {tag}"), context.open("rb") as file:
            words = [
                str(line.get("error", ""))
                for line in self._api.build(fileobj=file, custom_context=True, tag=tag, rm=True, decode=True)
            ]
        if any(words):
            raise Broken("no-image", f"building {tag}: {' '.join(filter(None, words))}")

    def _execute(self, argv: list[str]) -> None:
        try:
            process = subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
            )
        except FileNotFoundError as error:
            raise Broken(
                "no-mmdebstrap", f"mmdebstrap builds the node images and is missing: {_MEND}"
            ) from error
        try:
            output, _ = process.communicate(timeout=max(0.0, self._end - time.monotonic()))
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Broken(
                    "timeout", "building the node image took too long: is the Debian mirror slow?"
                ) from error
            raise
        if process.returncode != 0:
            words = output.decode(errors="replace").strip()[-_TAIL:]
            raise Broken("no-image", f"mmdebstrap failed (is a Debian mirror reachable?): {words}")


def write_difference(lower: Path, upper: Path, layer: Path) -> None:
    """Write what `upper` has and `lower` has not, or has otherwise, to a new tarball (nothing was removed)."""
    with tarfile.open(lower) as archive:
        below = {_name(member): _shape(member) for member in archive if member.name}
    with tarfile.open(upper) as source, tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as target:
        written: set[str] = set()
        for member in source:
            name = _name(member)
            if not name or name.startswith("dev/") or below.get(name) == _shape(member):
                continue
            content: IO[bytes] | None = source.extractfile(member) if member.isreg() else None
            if member.islnk() and member.linkname.removeprefix("./") not in written:
                content = source.extractfile(member)  # its first name stays below: this one becomes a file
                original = source.getmember(member.linkname)
                member.type, member.linkname, member.size = tarfile.REGTYPE, "", original.size
            member.name = name
            target.addfile(member, content)
            written.add(name)


def _name(member: tarfile.TarInfo) -> str:
    name = member.name.removeprefix("./").strip("/")
    return "" if name == "." else name


def _shape(member: tarfile.TarInfo) -> tuple[object, ...]:
    mode = member.mode & 0o7777  # the engine's own tarballs have the file's type in it
    if member.isdir():
        return ("directory", mode, member.uid, member.gid)
    return (member.type, mode, member.uid, member.gid, member.size, int(member.mtime), member.linkname)


def _size(api: docker.APIClient, tag: str) -> int | None:
    try:
        with engine.translated(f"looking for {tag}"):
            found: dict[str, Any] = api.inspect_image(tag)  # type: ignore[no-untyped-call]
            return int(found["Size"])
    except Broken as error:
        if error.code == "no-image":
            return None
        raise


@contextmanager
def _alone(end: float, say: Progress) -> Iterator[None]:
    """Let one process build at a time: the others then find the image."""
    with (state_directory() / "images.lock").open("w") as file:

        def lock() -> bool:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return True

        if not lock():
            say("waiting for another process that builds node images")
            left_s = end - time.monotonic()  # a build takes tens of seconds
            if not until_blocking(lock, bool, deadline_s=left_s, poll_s=0.2):
                raise Broken("timeout", "another process builds node images and does not end")
        yield
