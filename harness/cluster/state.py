"""Where quorate remembers what it made on this host (small, per boot), and where nodes keep their data (large)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from quorate.harness.core.outcome import Broken

STATE_VARIABLE = "QUORATE_STATE_DIR"
DATA_VARIABLE = "QUORATE_DATA_DIR"


def state_directory() -> Path:
    """Return the directory of ledgers, locks and namespaces: /run/quorate, or the user's own without root."""
    chosen = os.environ.get(STATE_VARIABLE)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if chosen:
        path = Path(chosen)
    elif os.geteuid() == 0 and Path("/run").is_dir():
        path = Path("/run/quorate")
    elif runtime and os.access(runtime, os.W_OK):
        path = Path(runtime) / "quorate"
    else:
        path = Path(f"/tmp/quorate-state-{os.geteuid()}")  # noqa: S108 - made and checked to be our own below
    return _own_directory(path, STATE_VARIABLE)


def data_directory() -> Path:
    """Return the directory below which local nodes keep their data; on disk, so that fsync costs what it costs."""
    chosen = os.environ.get(DATA_VARIABLE)
    path = Path(chosen) if chosen else Path(f"/var/tmp/quorate-{os.geteuid()}")  # noqa: S108 - checked below
    return _own_directory(path, DATA_VARIABLE)


def _own_directory(path: Path, variable: str) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise Broken(
            "no-directory", f"cannot make {path}: {error.strerror}; set {variable} to another one"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Broken("foreign-directory", f"{path} belongs to somebody else; set {variable} to another one")
    return path
