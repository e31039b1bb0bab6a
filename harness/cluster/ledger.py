"""What a run made on this host, written down before it is made, so that the next start can remove it.

One file of JSON lines for each run. The harness holds a POSIX lock on it for its whole life: the kernel lets go when
the process dies, however it dies, so a free lock means a dead run. No daemon, no clock, no reused pid can fool that.
A write that returned survives kill -9 of the writer (not a power cut: the rest does not survive that either).

See docs/decisions/clusters.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from quorate.harness.cluster import identity
from quorate.harness.cluster.state import state_directory
from quorate.harness.core.outcome import Broken

OWNER, KEPT = "owner", "kept"
NETNS, LINK, DIRECTORY, PROCESS, SUBNET = "netns", "link", "directory", "process", "subnet"
CONTAINER, DOCKER_NETWORK, HOST = "container", "docker-network", "host"
# Of Docker Compose: a project that is ours, a container of somebody else's, and one of those that was ended.
PROJECT, GUEST, ENDED = "compose-project", "compose-guest", "compose-ended"
# Of clusters that wait for a campaign's next run (harness.cluster.slots): what they are, waiting, and in use again.
SLOT, PARKED, TAKEN = "slot", "parked", "taken"


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing made: its kind, and the name or path by which it can be removed."""

    kind: str
    name: str
    start: int = 0  # of a process, in clock ticks since boot
    owner: identity.Owner | None = None  # of the first record


_held: dict[Path, int] = {}  # ledgers of this very process: closing a second file on one would drop its lock


class Ledger:
    """The open ledger of a run of this process."""

    def __init__(self, run_id: str, path: Path, descriptor: int) -> None:
        self.run_id = run_id
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, run_id: str) -> Ledger:
        """Begin the ledger of a new run; raises `Broken` if a run of that id exists already."""
        folder = runs_directory()
        path = folder / f"{run_id}.jsonl"
        draft = folder / f".{run_id}.{os.getpid()}"
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ledger = cls(run_id, path, descriptor)
            ledger._append(Record(OWNER, run_id, owner=identity.this_owner()))
            os.link(draft, path)  # appears locked and with its owner, or not at all
        except FileExistsError:
            os.close(descriptor)
            raise Broken(
                "run-exists", f"a run named {run_id} is recorded in {path}; run `quorate clean`"
            ) from None
        finally:
            draft.unlink()
        _held[path] = descriptor
        return ledger

    @classmethod
    def take(cls, path: Path) -> Ledger | None:
        """Continue the ledger of a run that ended and parked its cluster; None where another process has it."""
        if path in _held:
            return None
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        ledger = cls(path.stem, path, descriptor)
        if os.fstat(descriptor).st_nlink == 0 or parked_for(ledger.records()) is None:
            os.close(descriptor)
            return None
        _held[path] = descriptor
        return ledger

    def record(self, kind: str, name: str, *, start: int = 0) -> None:
        """Write down a thing; call it before the thing is made (a process: as soon as its pid is known)."""
        self._append(Record(kind, name, start=start))

    def keep(self) -> None:
        """Mark the run as kept on purpose: only `quorate clean` removes it."""
        self._append(Record(KEPT, self.run_id))

    def records(self) -> list[Record]:
        """Return everything recorded so far."""
        return _parse(os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0))

    def remove(self) -> None:
        """End the ledger: everything it lists is gone."""
        if _held.pop(self._path, None) is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)

    def release(self) -> None:
        """Let go of the ledger but leave the file, as the death of this process would."""
        if _held.pop(self._path, None) is not None:
            os.close(self._descriptor)

    def _append(self, record: Record) -> None:
        os.write(self._descriptor, msgspec.json.encode(record) + b"\n")


class DeadRun(msgspec.Struct, frozen=True):
    """A run whose harness is gone, and what it had made."""

    run_id: str
    path: Path
    records: Sequence[Record]

    @property
    def kept(self) -> bool:
        """Whether its user wanted it to stay."""
        return any(record.kind == KEPT for record in self.records)


def peek(path: Path) -> list[Record]:
    """Return what a ledger of another process says; nothing for one of this process (see `_held`) or one gone."""
    try:
        return [] if path in _held else _parse(path.read_bytes())
    except OSError:
        return []


def owner_of(run_id: str) -> identity.Owner | None:
    """Return the process that opened the ledger of another process."""
    found = peek(runs_directory() / f"{run_id}.jsonl")
    return found[0].owner if found else None


def parked_for(records: Sequence[Record]) -> str | None:
    """Return the campaign whose next run may take the cluster over; None where a run has it, or no campaign waits."""
    last = next((record for record in reversed(records) if record.kind in (PARKED, TAKEN)), None)
    return last.name if last is not None and last.kind == PARKED else None


def is_alive(run_id: str) -> bool:
    """Return whether the process that opened this ledger lives: whether it still holds its lock."""
    path = runs_directory() / f"{run_id}.jsonl"
    if path in _held:
        return True
    with claim_dead(path) as dead:
        return dead is None and path.exists()


@contextlib.contextmanager
def claim_dead(path: Path) -> Iterator[DeadRun | None]:
    """Take over the ledger of a dead run, or yield None if it is alive or somebody else is sweeping it."""
    if path in _held:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        found = os.fstat(descriptor)
        if found.st_nlink == 0:  # another sweep finished it while this one opened it
            yield None
            return
        yield DeadRun(path.stem, path, _parse(os.pread(descriptor, found.st_size, 0)))
    finally:
        os.close(descriptor)


def ledgers() -> list[Path]:
    """Return the ledgers of all runs on this host, dead and alive, in order of their age."""
    return sorted(path for path in runs_directory().glob("*.jsonl") if identity.is_run_id(path.stem))


def kept_runs() -> list[str]:
    """Return the runs that were left standing on purpose."""
    return [path.stem for path in ledgers() if any(record.kind == KEPT for record in peek(path))]


def exists(run_id: str) -> bool:
    """Return whether a run of that id is recorded on this host."""
    return (runs_directory() / f"{run_id}.jsonl").exists()


def remove_drafts() -> None:
    """Remove the unfinished ledgers of processes that were killed while they began one."""
    for draft in runs_directory().glob(".q*.*"):
        pid = draft.name.rpartition(".")[2]
        if pid.isdigit() and int(pid) != os.getpid():
            with claim_dead(draft) as dead:
                if dead is not None:
                    draft.unlink(missing_ok=True)


def runs_directory() -> Path:
    """Return the folder of ledgers."""
    path = state_directory() / "runs"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _parse(raw: bytes) -> list[Record]:
    records = []
    for line in raw.split(b"\n")[:-1]:  # a line without its end was being written when the writer died
        with contextlib.suppress(msgspec.DecodeError):
            records.append(msgspec.json.decode(line, type=Record))
    return records
