"""Files on their way to nodes: checksums remembered, executables kept once for all nodes of a host."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from functools import lru_cache
from pathlib import Path

_EXECUTABLE = 0o111
_threads = threading.Lock()


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; remembered as long as its size and time stay the same."""
    found = path.stat()
    return _checksum(str(path), found.st_size, found.st_mtime_ns)


def place(source: Path, target: Path, mode: int, store: Path) -> None:
    """Put a copy of `source` at `target`.

    Executables are copied into `store` once and linked from there, so that a wiped node has them back in no time;
    other files are copied, for servers and faults write to them.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not mode & _EXECUTABLE:
        _copy(source, target, mode)
        return
    kept = store / f"{checksum(source)}-{mode:o}"
    with _threads:
        if not kept.exists():
            store.mkdir(parents=True, exist_ok=True)
            _copy(source, kept, mode)
    with contextlib.suppress(FileNotFoundError):
        target.unlink()
    os.link(kept, target)


def _copy(source: Path, target: Path, mode: int) -> None:
    # Beside the target, then renamed: a running server keeps its old file, and no reader sees half of one.
    draft = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, draft)
        draft.chmod(mode)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


@lru_cache(maxsize=256)
def _checksum(path: str, size: int, mtime_ns: int) -> str:  # noqa: ARG001 - parts of the key
    with open(path, "rb") as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").hexdigest()
