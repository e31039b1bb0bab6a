"""The clock helper: compiled once from its C sources into the user's cache, static, so that it runs in any node."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from quorate.harness.core.outcome import Broken

SOURCES: Final = Path(__file__).parent / "native"
NAME: Final = "quorate-clock"
_TIMEOUT_S: Final = 120.0

_FLAGS: Final = (
    "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fPIE", "-Wall", "-Wextra", "-Werror", "-Wno-sign-compare",
)  # fmt: skip
# Code that runs in a foreign process: no registers but the general ones, no calls into a library, no tables.
_SHIM_FLAGS: Final = (
    "-mgeneral-regs-only", "-fno-stack-protector", "-fcf-protection=none", "-fno-jump-tables",
    "-fno-tree-loop-distribute-patterns", "-fno-tree-vectorize",
)  # fmt: skip


@cache
def helper() -> Path:
    """Return the path of the helper, compiling it (about a second) where it is not in the cache yet.

    Raises `Broken` with the mend where it cannot be compiled.
    """
    if platform.machine() != "x86_64":
        raise Broken("no-clock", f"clock faults need an x86-64 machine, this is {platform.machine()}")
    sources = sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")])
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    digest.update(repr((_FLAGS, _SHIM_FLAGS)).encode())
    target = cache_directory() / "helpers" / digest.hexdigest()[:16] / NAME
    if not os.access(target, os.X_OK):
        _compile(target)
    return target


def cache_directory() -> Path:
    """Return the user's cache of quorate: `$XDG_CACHE_HOME/quorate`, by default `~/.cache/quorate`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "quorate"


def _compile(target: Path) -> None:
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Broken("no-compiler", "clock faults need a C compiler once: install gcc and libc6-dev")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            shim = Path(folder) / "shim.o"
            _gcc([compiler, *_FLAGS, *_SHIM_FLAGS, "-c", str(SOURCES / "shim.c"), "-o", str(shim)])
            rest = [str(path) for path in sorted(SOURCES.glob("*.c")) if path.name != "shim.c"]
            made = Path(folder) / NAME
            _gcc([compiler, *_FLAGS, "-static", *rest, str(shim), "-o", str(made)])
            made.chmod(0o755)
            made.replace(target)  # two processes may compile at once: each replaces the whole file
    except OSError as error:
        raise Broken("no-cache", f"cannot put the clock helper into {target.parent}: {error}") from error


def _gcc(argv: list[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Broken("timeout", f"{argv[0]} did not end within {_TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        words = done.stderr.strip()[-2000:]
        raise Broken("no-clock", f"the clock helper does not compile (gcc and libc6-dev installed?): {words}")
