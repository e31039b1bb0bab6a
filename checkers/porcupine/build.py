"""Build the Go library around Porcupine, once per machine and source, and say plainly where that cannot be done."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent / "go"
MODULE: Final = "github.com/anishathalye/porcupine"
_LIBRARY: Final = "libquorate_porcupine.so"
_BUILD_TIMEOUT_S: Final = 600.0
_ASK_TIMEOUT_S: Final = 60.0


class PorcupineMissingError(RuntimeError):
    """Porcupine cannot be used on this machine; the text says why and what would fix it."""


@cache
def version() -> str:
    """Return the version of Porcupine that `go.mod` pins, as in `v1.3.1`."""
    for line in (SOURCE / "go.mod").read_text().splitlines():
        words = line.removeprefix("require").split()
        if words[:1] == [MODULE]:
            return words[1]
    msg = f"go.mod does not name {MODULE}"
    raise PorcupineMissingError(msg)


def _go() -> str:
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if found is None:
        msg = (
            "Porcupine is written in Go, and there is no `go` here to build it with: install Go 1.21 or newer "
            "(https://go.dev/dl, or your distribution's golang package) and try again"
        )
        raise PorcupineMissingError(msg)
    return found


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "quorate" / "porcupine"


@cache
def library() -> Path:
    """Return the path of the shared library, built if it is not there yet (some twenty seconds, reported on stderr).

    Raises `PorcupineMissingError` without Go, or with what the Go compiler said.
    """
    go = _go()
    digest = hashlib.sha256()
    for path in sorted(SOURCE.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(_ask(go, "version").encode())
    folder = _cache_directory() / digest.hexdigest()[:16]
    target = folder / _LIBRARY
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _build(go, folder, target)
    return target


def module_directory() -> Path:
    """Return where the Go module lies unpacked, with the logs that Porcupine is tested by; fetched if need be."""
    go = _go()
    _ask(go, "mod", "download", MODULE)
    return Path(_ask(go, "list", "-m", "-f", "{{.Dir}}", MODULE).strip())


def _ask(go: str, *words: str) -> str:
    try:
        done = subprocess.run(
            [go, *words], cwd=SOURCE, capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"`go {' '.join(words)}` does not answer: {error}"
        raise PorcupineMissingError(msg) from error
    if done.returncode != 0:
        msg = f"`go {' '.join(words)}` failed: {done.stderr.strip()[-500:]}"
        raise PorcupineMissingError(msg)
    return done.stdout


def _build(go: str, folder: Path, target: Path) -> None:
    print(f"quorate: building Porcupine {version()} with Go, once", file=sys.stderr)  # noqa: T201 - said loudly
    made = folder / "made.so"
    command = [go, "build", "-buildmode=c-shared", "-trimpath", "-mod=readonly", "-o", str(made), "."]
    environment = {**os.environ, "CGO_ENABLED": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=SOURCE,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"Go did not build Porcupine in {_BUILD_TIMEOUT_S:.0f} s"
        raise PorcupineMissingError(msg) from error
    if done.returncode != 0:
        msg = f"Go could not build Porcupine (it needs a C compiler too): {done.stderr.strip()[-1500:]}"
        raise PorcupineMissingError(msg)
    made.rename(target)
