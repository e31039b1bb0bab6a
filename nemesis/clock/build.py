"""The clock helper, static so that it runs in any node: a wheel brings it, a checkout compiles it once."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from quorate.harness.core.outcome import Broken
from quorate.nemesis.clock.compiling import MACHINES, NAME, CompileError, compile_helper, digest

SOURCES: Final = Path(__file__).parent / "native"
BUILT: Final = SOURCES / "built"  # filled by the build of a wheel (tools/build_backend.py)


@cache
def helper() -> Path:
    """Return the path of the helper, compiling it (about a second) where it came neither built nor is in the cache.

    Raises `Broken` with what to install where it cannot be compiled.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise Broken("no-clock", f"clock faults need a machine of {', '.join(MACHINES)}, this is {machine}")
    built = BUILT / f"{NAME}-{machine}"
    if os.access(built, os.X_OK):
        return built
    target = cache_directory() / "helpers" / digest(SOURCES) / NAME
    if os.access(target, os.X_OK):
        return target
    try:
        if built.is_file():  # unpacked without its mode
            _place(built, target)
        else:
            compile_helper(SOURCES, target)
    except CompileError as error:
        raise Broken("no-clock", f"the clock helper comes with quorate's wheel; here {error}") from error
    except OSError as error:
        raise Broken("no-cache", f"cannot put the clock helper into {target.parent}: {error}") from error
    return target


def cache_directory() -> Path:
    """Return the user's cache of quorate: `$XDG_CACHE_HOME/quorate`, by default `~/.cache/quorate`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "quorate"


def _place(built: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        copy = Path(shutil.copyfile(built, Path(folder) / NAME))
        copy.chmod(0o755)
        copy.replace(target)
