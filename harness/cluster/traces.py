"""Look for traces of a run on this host, without its ledger: the proof that nothing was left behind."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from quorate.harness.cluster import ledger, processes
from quorate.harness.cluster.processes import RUN_MARK
from quorate.harness.cluster.removal import mounts_below
from quorate.harness.cluster.state import data_directory, state_directory
from quorate.harness.core.outcome import Broken


def traces_of(run_id: str, *, engine: bool = True) -> list[str]:
    """Return everything of a run that can still be found: the kernel, the disk and the engine are asked."""
    living = [pid for pid in processes.marked(f"{RUN_MARK}={run_id}") if _lives(pid)]
    found = [f"process {pid}" for pid in living]
    found += [f"link {name}" for _, name in socket.if_nameindex() if name.startswith(run_id)]
    namespaces = state_directory() / "netns" / run_id
    found += [f"namespace {path}" for path in (namespaces, *namespaces.glob("*")) if path.exists()]
    found += [f"mount {path}" for path in mounts_below(namespaces)]
    doors = state_directory() / "doors" / run_id
    found += [f"directory {doors}"] if doors.exists() else []
    data = data_directory() / run_id
    found += [f"mount {path}" for path in mounts_below(data)]
    found += [f"loop device on {path}" for path in _looped() if run_id in path]
    found += [f"directory {data}"] if data.exists() else []
    found += [f"subnet {path.name}" for path in _files(state_directory() / "subnets") if _says(path, run_id)]
    found += [f"ledger of {run_id}"] if ledger.exists(run_id) else []
    found += [f"draft {path.name}" for path in ledger.runs_directory().glob(f".{run_id}.*")]
    return found + (_of_engine(run_id) if engine else [])


def _of_engine(run_id: str) -> list[str]:
    from quorate.harness.cluster.docker import engine  # noqa: PLC0415 - loads the SDK

    try:
        api = engine.connect()
    except Broken:
        return []
    wanted = {"label": f"{engine.RUN_LABEL}={run_id}"}
    composed = {"label": f"com.docker.compose.project={run_id}"}
    with engine.translated("looking for traces"):
        containers = [f"container {one['Id'][:12]}" for one in api.containers(all=True, filters=wanted)]
        containers += [f"container {one['Id'][:12]}" for one in api.containers(all=True, filters=composed)]
        volumes = [f"volume {one['Name']}" for one in api.volumes(filters=composed)["Volumes"] or ()]
        networks = [*api.networks(filters=wanted), *api.networks(filters=composed)]
        return containers + volumes + [f"network {one['Name']}" for one in networks]


def _looped() -> list[str]:
    """Return the files behind loop devices, without those whose file is gone and that free themselves.

    Such a device stays for as long as another process' namespace holds a copy of the mount, and goes with it.
    """
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # gone meanwhile
            file = path.read_text().strip()
            frees_itself = path.with_name("autoclear").read_text().strip() == "1"
            if not (frees_itself and file.endswith("(deleted)")):
                found.append(file)
    return found


def _lives(pid: int) -> bool:
    entry = processes.entry(pid)
    return entry is not None and entry.state not in "ZXx"


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("198.*") if path.is_file()] if folder.exists() else []


def _says(path: Path, run_id: str) -> bool:
    try:
        return path.read_text().strip() == run_id
    except OSError:
        return False
