"""The process table of this host: states, starts, families and signals, safe against reused process ids."""

# ruff: noqa: PTH115, PTH208, PTH123 - the os functions are twice as fast here, and whole tables are scanned with them

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from quorate.harness.core.clock import until_blocking
from quorate.harness.core.node import ProcessState

RUN_MARK = "QUORATE_RUN"  # in the environment of everything started on nodes: how a sweep knows its own
DAEMON_MARK = "QUORATE_DAEMON"
_ROUNDS = 20  # of finding new children while signalling a family that forks


class Entry(msgspec.Struct, frozen=True):
    """One line of the process table; `start` is in clock ticks since boot."""

    pid: int
    state: str
    parent: int
    session: int
    start: int


class Handle(msgspec.Struct, frozen=True):
    """A process as it was started; a later process with the same pid has another start."""

    pid: int
    start: int


def parse_stat(text: str) -> Entry:
    """Parse /proc/PID/stat (proc(5)); the command's name may hold spaces and brackets, so count from its end."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Entry(
        pid=int(head.split("(", 1)[0]),
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        start=int(fields[19]),
    )


def entry(pid: int) -> Entry | None:
    """Return what the process table says of a pid now, or None if the process does not exist."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return parse_stat(file.read().decode(errors="replace"))
    except (OSError, ValueError, IndexError):
        return None


def start_ticks(pid: int) -> int | None:
    """Return when the process started, or None if there is none."""
    found = entry(pid)
    return found.start if found else None


def handle(pid: int) -> Handle | None:
    """Return a handle on a living process, or None."""
    found = entry(pid)
    return Handle(pid=pid, start=found.start) if found else None


def state(process: Handle) -> ProcessState:
    """Return the state of exactly this process; a zombie is dead unless other threads of it live on."""
    found = entry(process.pid)
    if found is None or found.start != process.start or found.state in "Xx":
        return ProcessState.DEAD
    if found.state == "Z":
        return ProcessState.RUNNING if _thread_count(process.pid) > 1 else ProcessState.DEAD
    return ProcessState.STOPPED if found.state == "T" else ProcessState.RUNNING


def table() -> dict[int, Entry]:
    """Read the whole process table, about 20 µs a process."""
    found = (entry(pid) for pid in pids())
    return {one.pid: one for one in found if one is not None}


def pids() -> Iterator[int]:
    """Iterate over all process ids that this process can see."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdigit():
            yield int(name)


def family(process: Handle, mark: str = "", reapers: Collection[int] = (1,)) -> list[int]:
    """Return the living pids of a daemon and of all that it started, the daemon first.

    Found by session and by parent; orphans that left the session (double fork) are children of one of the `reapers`
    and known by `mark`, a line of the environment that the daemon was started with.
    """
    everyone = table()
    children: dict[int, list[int]] = {}
    for one in everyone.values():
        children.setdefault(one.parent, []).append(one.pid)
    first = everyone.get(process.pid)
    roots = [process.pid] if first is not None and first.start == process.start else []
    if first is None or roots:  # else the session's number belongs to somebody else by now
        roots += [
            one.pid for one in everyone.values() if one.session == process.pid and one.pid != process.pid
        ]
    members = _descendants(roots, children)
    if mark:
        orphans = [
            one.pid
            for one in everyone.values()
            if one.parent in reapers and one.start >= process.start and one.pid not in members
        ]
        members |= _descendants([pid for pid in orphans if has_mark(pid, mark)], children)
    living = [pid for pid in members if everyone[pid].state not in "ZXx" or pid == process.pid]
    return sorted(living, key=lambda pid: (pid != process.pid, pid))


def signal_family(process: Handle, signum: int, mark: str = "", reapers: Collection[int] = (1,)) -> int:
    """Signal a daemon and all that it started, until no new child appears; return how many got the signal.

    The daemon and the children that the kernel lists get it at once; then whole looks at the process table find the
    rest: orphans, and children born meanwhile.
    """
    done: set[int] = set()
    repeat = signum in (signal.SIGKILL, signal.SIGSTOP)
    if start_ticks(process.pid) == process.start:
        done.update(_signal_all(listed_family(process.pid), signum))
    for _ in range(_ROUNDS if repeat else 1):
        new = [pid for pid in family(process, mark, reapers) if pid not in done]
        if not new:
            break
        done.update(_signal_all(new, signum))
    return len(done)


def listed_family(pid: int) -> list[int]:
    """Return a process and the descendants that the kernel lists beneath it, parents first: fast, but no proof.

    The lists (/proc/PID/task/TID/children) need a kernel option, leave orphans out, and may miss one while others end.
    """
    found = [pid]
    for one in found:  # grows while it is walked
        with contextlib.suppress(OSError, ValueError):
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children", "rb") as file:
                    found += [int(child) for child in file.read().split()]
    return found


def _signal_all(members: Iterable[int], signum: int) -> list[int]:
    reached = list(members)
    for pid in reached:
        send(pid, signum)
    return reached


def send(pid: int, signum: int) -> None:
    """Send a signal; a process that is gone is not an error."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)


def has_mark(pid: int, mark: str) -> bool:
    """Return whether the process was started with this `NAME=value` in its environment."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return mark.encode() in environment.split(b"\0")


def marked(mark: str) -> list[int]:
    """Return all pids with this `NAME=value` in their environment, never this process itself."""
    return [pid for pid in pids() if pid != os.getpid() and has_mark(pid, mark)]


def in_namespaces(inodes: Iterable[int]) -> list[int]:
    """Return all pids whose network namespace is one of these inodes, never this process itself."""
    wanted = {f"net:[{inode}]" for inode in inodes}
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):
            if pid != os.getpid() and os.readlink(f"/proc/{pid}/ns/net") in wanted:
                found.append(pid)
    return found


def kill_all(find: Callable[[], Iterable[int]], deadline_s: float = 5.0) -> int:
    """Kill -9 what `find` returns until it returns nothing living; return how many, within the deadline."""
    killed: set[int] = set()

    def kill() -> list[int]:
        living = [pid for pid in find() if (one := entry(pid)) is not None and one.state not in "ZXx"]
        for pid in living:
            with contextlib.suppress(PermissionError):
                send(pid, signal.SIGKILL)
        killed.update(living)
        return living

    # The kernel tears them down; looking again is the proof.
    until_blocking(kill, lambda living: not living, deadline_s=deadline_s, poll_s=0.002)
    return len(killed)


def _descendants(roots: Iterable[int], children: dict[int, list[int]]) -> set[int]:
    seen: set[int] = set()
    queue = list(roots)
    while queue:
        pid = queue.pop()
        if pid not in seen:
            seen.add(pid)
            queue += children.get(pid, ())
    return seen


def _thread_count(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def command_line(pid: int) -> list[str]:
    """Return the arguments of a process, empty if it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return raw.decode(errors="replace").split("\0")[:-1]
