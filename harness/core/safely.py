"""Reading what somebody else may have written: files that are none, end never or nest too deeply.

A FIFO or a device in a store would hang whoever opens it, and what a symbolic link leads to may lie outside.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any, BinaryIO, Final

_TOML_BYTES_MAX: Final = 4 << 20
_LINKS_MAX: Final = 20_000


class TomlError(ValueError):
    """A TOML file that cannot be read, with the reason; the file's name is the caller's to add."""


def opened(path: str | Path) -> BinaryIO:
    """Open a regular file to read; raise `OSError` for anything else, and never wait for one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return os.fdopen(descriptor, "rb")


def contents(path: str | Path, most: int) -> bytes:
    """Return what a regular file holds; raise `OSError` where it is none, or holds more than `most` bytes."""
    with opened(path) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError(f"{path} is larger than {most >> 20} MiB and was not read")
    return found


def toml(path: Path) -> dict[str, Any]:
    """Read a TOML file that somebody named; raise `TomlError` with the reason, whatever it holds."""
    return parsed(toml_text(path))


def toml_text(path: Path) -> str:
    """Return its text; raise `TomlError`. A pipe is read too: who names one wants that."""
    try:
        with path.open("rb") as file:
            found = file.read(_TOML_BYTES_MAX + 1)
    except OSError as error:
        raise TomlError(f"cannot be read: {error.strerror or error}") from error
    if len(found) > _TOML_BYTES_MAX:
        raise TomlError(f"it is larger than {_TOML_BYTES_MAX >> 20} MiB, which is a mistake")
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TomlError(f"it is not text in UTF-8, as TOML must be: {error.reason}") from error


def parsed(text: str) -> dict[str, Any]:
    """Parse TOML; raise `TomlError`, also where tables nest deeper than can be read."""
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise TomlError("it is nested too deeply") from error
    except ValueError as error:
        raise TomlError(f"it is not valid TOML: {error}") from error


def stray(folder: Path, root: Path) -> Path | None:
    """Return a symbolic link in the folder, at any depth, that leads out of `root`; None where there is none."""
    home = root.resolve()
    seen = 0
    for where, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            seen += 1
            path = Path(where) / name
            if path.is_symlink() and not _resolved(path).is_relative_to(home):
                return path
            if seen > _LINKS_MAX:
                return None
    return None


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return Path("/")
