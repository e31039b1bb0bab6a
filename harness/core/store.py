"""The folder of a run: made at once, found again by a script, readable however the run ended."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from quorate.harness.core import safely
from quorate.harness.core.outcome import Broken

TEST: Final = "test.json"
RESULTS: Final = "results.json"
HISTORY: Final = "history.jsonl.zst"
REPORT: Final = "report.html"
COUNTEREXAMPLE: Final = "counterexample.jsonl"
LOG: Final = "quorate.log"
_JSON_BYTES_MAX: Final = 256 << 20
_NAME_MAX: Final = 200
_LOOKED_AT: Final = 1000
_TAKEN: Final = frozenset({"latest", "campaigns"})


def unfit(name: str) -> str | None:
    """Say why a run or a campaign cannot be called this, for it is a folder's name in the store; None if it can."""
    if name in _TAKEN:
        return f'"{name}" has a meaning of its own in a store'
    if name.strip(".") == "" or name.startswith("."):
        return f'"{name}" begins with a dot, and would be hidden or another folder'
    if len(name) > _NAME_MAX:
        return f"a name of {len(name)} letters; at most {_NAME_MAX}"
    return None


def create(store: Path, title: str, seed: int, started: datetime | None = None) -> Path:
    """Make `store/<title>/<UTC time>-<seed>/`; raise `Broken` if that cannot be.

    A second run in the same second with the same seed gets `-2`, `-3`, … appended.
    """
    moment = (started or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    why = unfit(title)
    if why is not None:
        raise Broken("store", f"{why}: choose another with --name")
    safe = "".join(letter if letter.isalnum() or letter in "+-_.@" else "_" for letter in title)
    tries_max = 1000
    try:
        for attempt in range(1, tries_max):
            suffix = "" if attempt == 1 else f"-{attempt}"
            folder = store / safe / f"{moment}-{seed}{suffix}"
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise Broken(
            "store", f"cannot make a run folder in {store}: {error}; choose another with --store"
        ) from error
    raise Broken("store", f"{store / safe} already has {tries_max} runs of this second")


def point_latest(folder: Path) -> None:
    """Point the store's `latest` at this run, atomically, so that a reader never finds it missing.

    Done once there is something to look at: what could not even start does not hide the run before it. Raises `Broken`.
    """
    root = folder.parent.parent
    temporary = root / f".latest-{os.getpid()}"
    try:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        temporary.symlink_to(folder.relative_to(root))
        temporary.replace(root / "latest")
    except OSError as error:
        raise Broken("store", f"cannot point {root / 'latest'} at {folder.name}: {error}") from error


def write_json(folder: Path, name: str, content: Any) -> Path:
    """Write a JSON file atomically: a reader sees the old one or the new one, never half of it."""
    target = folder / name
    temporary = folder / f".{name}.tmp"
    try:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        temporary.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise Broken("store", f"cannot write {target}: {error}") from error
    return target


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a run's JSON file; raise `Broken` with the file's name when it is missing or damaged."""
    path = folder / name
    try:
        content = json.loads(safely.contents(path, _JSON_BYTES_MAX))
    except FileNotFoundError:
        raise Broken(
            "store", f"{path} is missing: the run ended before writing it, or this is not a run folder"
        ) from None
    except RecursionError as error:
        raise Broken("store", f"{path} cannot be read: it is nested too deeply") from error
    except (OSError, ValueError) as error:
        raise Broken("store", f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise Broken("store", f"{path} does not hold an object")
    return content


def resolve(path: str | Path) -> Path:
    """Return the run folder for a path to it, to a file in it, or to the `latest` link; raise `Broken` otherwise."""
    folder = Path(path)
    if folder.is_file():
        folder = folder.parent
    if not folder.is_dir():
        raise Broken("store", f"no run at {path}")
    folder = folder.resolve()
    if not (folder / TEST).exists() and not (folder / HISTORY).exists():
        inside = _newest_inside(folder)
        meant = f" - did you mean {Path(path) / inside}?" if inside is not None else ""
        raise Broken("store", f"{path} is not a run folder: it has neither {TEST} nor {HISTORY}{meant}")
    return folder


def _newest_inside(folder: Path) -> Path | None:
    """The newest run directly below a folder, or below one of its folders, as a path from there; looks at a few."""
    for pattern in (f"*/{TEST}", f"*/*/{TEST}"):
        found = itertools.islice(folder.glob(pattern), _LOOKED_AT)
        # Run folders begin with the time of their start.
        runs = sorted((one.parent for one in found if not one.parent.is_symlink()), key=lambda run: run.name)
        if runs:
            return runs[-1].relative_to(folder)
    return None
