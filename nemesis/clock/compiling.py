"""Compile the clock helper: by the build of a wheel, or in a checkout when it is first needed.

The build loads this file by its path, before quorate can be imported: it uses the standard library alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

NAME: Final = "quorate-clock"
MACHINES: Final = ("x86_64",)  # the patch is machine code of these
_TIMEOUT_S: Final = 120.0

_FLAGS: Final = (
    "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fPIE", "-Wall", "-Wextra", "-Werror", "-Wno-sign-compare",
)  # fmt: skip
# Code that runs in a foreign process: no registers but the general ones, no calls into a library, no tables.
_SHIM_FLAGS: Final = (
    "-mgeneral-regs-only", "-fno-stack-protector", "-fcf-protection=none", "-fno-jump-tables",
    "-fno-tree-loop-distribute-patterns", "-fno-tree-vectorize",
)  # fmt: skip


class CompileError(Exception):
    """It cannot be compiled; the text says why and what to install."""


def digest(sources: Path) -> str:
    """Return a short name for these sources and the way they are compiled."""
    found = hashlib.sha256()
    for source in sorted([*sources.glob("*.c"), *sources.glob("*.h")]):
        found.update(source.name.encode() + b"\0" + source.read_bytes())
    found.update(repr((_FLAGS, _SHIM_FLAGS)).encode())
    return found.hexdigest()[:16]


def compile_helper(sources: Path, target: Path) -> None:
    """Compile `sources` into the static program `target`, in about a second.

    Raises `CompileError` without a compiler or static libc, OSError where the target cannot be written.
    """
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise CompileError("there is no C compiler: apt-get install gcc libc6-dev")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        shim = Path(folder) / "shim.o"
        _run([compiler, *_FLAGS, *_SHIM_FLAGS, "-c", str(sources / "shim.c"), "-o", str(shim)])
        rest = [str(path) for path in sorted(sources.glob("*.c")) if path.name != "shim.c"]
        made = Path(folder) / target.name
        _run([compiler, *_FLAGS, "-static", *rest, str(shim), "-o", str(made)])
        made.chmod(0o755)
        made.replace(target)  # two processes may compile at once: each replaces the whole file


def _run(argv: list[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise CompileError(f"{argv[0]} did not end within {_TIMEOUT_S:g} s") from error
    except OSError as error:
        raise CompileError(f"{argv[0]}: {error.strerror}") from error
    if done.returncode != 0:
        words = done.stderr.strip()[-2000:]
        raise CompileError(f"it does not compile (apt-get install gcc libc6-dev?): {words}")
