"""The user's cache of servers: checked when used, filled by atomic rename under a lock."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core import platform
from quorate.harness.core.clock import until_blocking
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.releases import tools
from quorate.harness.systems.releases.server import Manifest, Server

MANIFEST: Final = "manifest.json"
_POLL_S: Final = 0.2


def root() -> Path:
    """`$XDG_CACHE_HOME/quorate`, by default `~/.cache/quorate`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "quorate"


def unwritable() -> str | None:
    """Return why nothing can be put into the cache; None where it can. Leaves nothing behind."""
    place = root()
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return None
    except OSError as error:
        return _unwritable(error).text


def _unwritable(error: OSError) -> Broken:
    words = f"cannot write to the cache {root()}: {error.strerror}; set XDG_CACHE_HOME to a folder that can be written"
    return Broken("no-cache", words)


def folder_of(system: str, release: str) -> Path:
    """Where a server is kept; one for another platform than this host's has its name behind a tilde."""
    return root() / "servers" / system / _entry(release)


def _entry(release: str) -> str:
    target = platform.wanted()
    return release if target == platform.here() else f"{release}~{target.os}-{target.arch}"


def find(system: str, release: str) -> Server | None:
    """Return the cached server, or None where there is none or its files are not what they were made as."""
    folder = folder_of(system, release)
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        for name, checksum in manifest.files.items():
            if sha256(folder / name) != checksum:
                return None
    except (OSError, msgspec.DecodeError):
        return None
    return Server(system, release, manifest.how, folder)


def is_cached(system: str, release: str) -> bool:
    """Whether there is a finished entry, without checking its files."""
    return (folder_of(system, release) / MANIFEST).is_file()


def releases(system: str) -> list[str]:
    """The releases that are in the cache."""
    try:
        return sorted(
            entry.name
            for entry in (root() / "servers" / system).glob("[!.]*")
            if "~" not in entry.name and is_cached(system, entry.name)
        )
    except OSError:
        return []


def add(system: str, release: str, make: Callable[[Path], str]) -> Server:
    """Let `make` fill a new folder and say how; publish it whole, with a manifest, in one rename.

    Whatever `make` raises leaves the cache as it was. Call with the lock held.
    """
    final = folder_of(system, release)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        for dead in final.parent.glob(f".{release}-*"):  # of a process that was killed: the lock is ours
            shutil.rmtree(dead, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=f".{release}-", dir=final.parent))
    except OSError as error:
        raise _unwritable(error) from error
    try:
        work.chmod(0o755)
        how = make(work)
        files = {
            str(path.relative_to(work)): sha256(path) for path in sorted(work.rglob("*")) if path.is_file()
        }
        if not files:
            raise Broken("no-server", f"{system}@{release}: {how} left no file")
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = Manifest(system, release, how, made_at, files)
        (work / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        if final.exists():
            shutil.rmtree(final)
        work.rename(final)
    except OSError as error:
        raise Broken("no-cache", f"cannot fill {final}: {error.strerror}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Server(system, release, how, final)


@contextlib.contextmanager
def lock(system: str, release: str, deadline_s: float) -> Iterator[None]:
    """Hold the only right to make this release; waits for another process that makes it, at most `deadline_s`."""
    path = root() / "locks" / f"{system}-{_entry(release)}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    except OSError as error:
        raise _unwritable(error) from error
    with handle:

        def take() -> bool:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tools.check_given_up()
                return False
            return True

        if not until_blocking(take, bool, deadline_s=deadline_s, poll_s=_POLL_S):
            raise Broken("cache-locked", f"another process has held {path} for more than {deadline_s:.0f} s")
        yield


def sha256(path: Path) -> str:
    """Checksum of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
