"""End a run on containers of Docker Compose: remove a project that is ours, leave somebody else's as it was.

The same at the end of a run and after its harness was killed. The engine alone is needed, not the compose program:
all that compose makes bears the project's name as a label.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

import docker
import docker.errors

from quorate.harness.cluster import identity, ledger, processes
from quorate.harness.cluster.compose import projects
from quorate.harness.cluster.docker import engine
from quorate.harness.cluster.ledger import Record
from quorate.harness.cluster.processes import RUN_MARK
from quorate.harness.core.outcome import Broken

_TRIES: Final = 50
_PAUSE_S: Final = 0.2
_SETTLED: Final = 3  # looks in a row that find nothing: what its killed maker had asked for may still appear


def remove(run_id: str, records: Sequence[Record]) -> list[str]:
    """Undo what a run did with compose; return what would not go, also where no engine answers."""
    kinds: dict[str, list[str]] = {ledger.PROJECT: [], ledger.GUEST: [], ledger.ENDED: []}
    for record in records:
        if record.kind in kinds:
            kinds[record.kind].append(record.name)
    if not kinds[ledger.PROJECT] and not kinds[ledger.GUEST]:
        return []
    try:
        api = engine.connect()
        left = [line for name in kinds[ledger.PROJECT] for line in remove_project(api, run_id, name)]
        return left + restore(api, kinds[ledger.GUEST], set(kinds[ledger.ENDED]))
    except Broken as error:
        return [str(error)]


def remove_project(api: docker.APIClient, run_id: str, project: str) -> list[str]:
    """Remove a project's containers, networks and volumes, once no process makes any more of them."""
    if not identity.is_run_id(project):  # all of a name is removed: it must be one of ours
        return [f"{project} is not the name of a project of quorate's"]
    processes.kill_all(lambda: processes.marked(f"{RUN_MARK}={run_id}"))
    wanted = {"label": f"{projects.PROJECT}={project}"}
    left: list[str] = []
    clean = 0
    for _ in range(_TRIES):
        with engine.translated(f"removing the compose project {project}"):
            works: list[Callable[[], object]] = [
                *(_container(api, one["Id"]) for one in api.containers(all=True, filters=wanted)),
                *(_network(api, one["Id"]) for one in api.networks(filters=wanted)),
                *(_volume(api, one["Name"]) for one in api.volumes(filters=wanted)["Volumes"] or ()),
            ]
            left = [problem for work in works if (problem := _tried(work))]
        clean = clean + 1 if not works else 0
        if clean == _SETTLED:
            return []
        time.sleep(_PAUSE_S / (1 if left else 4))
    return left or [f"the compose project {project} does not end"]


def restore(api: docker.APIClient, guests: Sequence[str], ended: Collection[str]) -> list[str]:
    """Leave somebody else's containers as they were: awake, without rules of ours, and up where a run ended them."""
    left = []
    for guest in guests:
        try:
            _restore(api, guest, started=guest in ended)
        except Broken as error:
            if error.code != "not-found":  # taken down meanwhile
                left.append(str(error))
    return left


def _restore(api: docker.APIClient, guest: str, *, started: bool) -> None:
    found = projects.inspect(api, guest)
    with engine.translated(f"leaving the container {found.service} as it was"):
        if found.paused:
            api.unpause(guest)
        if not found.running:
            if started:
                api.start(guest)
            return
    if enterable(found.pid, guest):
        first = processes.handle(found.pid)
        for pid in processes.family(first) if first is not None else ():
            one = processes.entry(pid)
            if one is not None and one.state == "T":
                processes.send(pid, signal.SIGCONT)
        from quorate.harness.cluster.network.nftables import Firewall  # noqa: PLC0415 - loads a C library

        firewall = Firewall(f"/proc/{found.pid}/ns/net")
        try:
            firewall.clear()
        finally:
            firewall.close()


def enterable(pid: int, container: str) -> bool:
    """Whether this process may enter that container: root, and the pid is that container's on this very kernel."""
    if os.geteuid() != 0 or pid <= 0:
        return False
    # The engine mounts files of its own into every container, from a folder that bears the container's id.
    with contextlib.suppress(OSError):
        mounts = Path(f"/proc/{pid}/mountinfo").read_text()
        return container in mounts and Path(f"/proc/{pid}/ns/net").exists()
    return False


def _container(api: docker.APIClient, name: str) -> Callable[[], object]:
    return lambda: api.remove_container(name, force=True, v=True)


def _network(api: docker.APIClient, name: str) -> Callable[[], object]:
    return lambda: api.remove_network(name)


def _volume(api: docker.APIClient, name: str) -> Callable[[], object]:
    return lambda: api.remove_volume(name)


def _tried(work: Callable[[], object]) -> str:
    """Do it; gone is as good, and what is still in use goes once its user has gone."""
    try:
        work()
    except docker.errors.NotFound:
        return ""
    except docker.errors.APIError as error:
        problem = engine.reason(error)
        return "" if "already in progress" in problem else problem
    return ""
