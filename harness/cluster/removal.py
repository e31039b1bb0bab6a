"""Remove from this host what a ledger lists: the same way at the end of a run and after its harness was killed.

Each step may be repeated, and does nothing to what is gone already.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Collection, Sequence
from pathlib import Path

from quorate.harness.cluster import kernel, ledger, links, processes, subnets
from quorate.harness.cluster.ledger import Record
from quorate.harness.cluster.processes import RUN_MARK, Handle


def remove_local(run_id: str, records: Sequence[Record]) -> list[str]:
    """Remove processes, links, namespaces, mounts, directories and subnet locks; return what would not go."""
    paths = [Path(record.name) for record in records if record.kind == ledger.NETNS]
    inodes = [path.stat().st_ino for path in paths if _is_netns(path)]
    left: list[str] = []
    # Namespaces lose their names first: a process that the harness was just starting when it was killed, and that
    # nothing marks yet, can then not enter one any more; whoever has entered is found by the namespace's inode.
    for path in paths:
        left += _unmount_netns(path)
    left += _kill(run_id, records, inodes)
    for record in records:
        if record.kind == ledger.LINK:
            left += _delete_link(record.name)
    for folder in {path.parent for path in paths}:
        with contextlib.suppress(OSError):
            folder.rmdir()
    for record in records:
        if record.kind == ledger.DIRECTORY:
            left += remove_directory(Path(record.name))
        elif record.kind == ledger.SUBNET:
            subnets.release(record.name, run_id)
    return left


def _kill(run_id: str, records: Sequence[Record], inodes: Collection[int]) -> list[str]:
    recorded = [Handle(int(record.name), record.start) for record in records if record.kind == ledger.PROCESS]

    def find() -> set[int]:
        found = set(processes.marked(f"{RUN_MARK}={run_id}"))
        found.update(processes.in_namespaces(inodes) if inodes else ())
        found.update(one.pid for one in recorded if processes.start_ticks(one.pid) == one.start)
        return found

    processes.kill_all(find)
    living = [pid for pid in find() if (one := processes.entry(pid)) is not None and one.state not in "ZXx"]
    return [f"process {pid} would not die" for pid in living]


def _is_netns(path: Path) -> bool:
    """Return whether a namespace is mounted there: its inode is on the kernel's own file system then."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False


def _delete_link(name: str) -> list[str]:
    if not link_exists(name):
        return []
    try:
        links.delete(name)
    except OSError as error:
        return [f"link {name}: {error.strerror}"] if link_exists(name) else []
    return []


def link_exists(name: str) -> bool:
    """Return whether this process's network has an interface of that name (/sys may show another network's)."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def _unmount_netns(path: Path) -> list[str]:
    try:
        while _is_netns(path):
            kernel.unmount(str(path))
        path.unlink(missing_ok=True)
    except OSError as error:
        return [f"namespace {path}: {error}"]
    return []


def remove_directory(path: Path) -> list[str]:
    """Remove a directory of a run and first every mount below it (disk faults make some)."""
    left = []
    for mounted in sorted(mounts_below(path), reverse=True):
        try:
            # For real where it is unused: the kernel is done with the device when this returns.
            with contextlib.suppress(OSError):
                kernel.unmount_now(mounted)
                continue
            kernel.unmount(mounted)
        except OSError as error:
            left.append(f"mount {mounted}: {error}")
    if not left and path.exists():
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            left.append(f"directory {path} could not be removed")
    return left


def mounts_below(path: Path) -> list[str]:
    """Return all mount points at or below a path."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return []
    points = (os.fsencode(line.split()[1]).decode("unicode_escape") for line in lines)
    return [point for point in points if Path(point).is_relative_to(path)]
