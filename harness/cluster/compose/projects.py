"""Projects of a compose file as the engine knows them: by the labels that compose puts on all it makes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import docker
import msgspec

from quorate.harness.cluster import identity
from quorate.harness.cluster.compose.asked import Member
from quorate.harness.cluster.docker import engine
from quorate.harness.core.outcome import Broken, UsageError

PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
_FOLDER: Final = "com.docker.compose.project.working_dir"
_FILES: Final = "com.docker.compose.project.config_files"
_ONE_OFF: Final = "com.docker.compose.oneoff"
_CHOSEN: Final = "COMPOSE_PROJECT_NAME"  # compose's own variable


class Address(msgspec.Struct, frozen=True):
    """Where a container is in one network."""

    network: str
    ipv4: str
    ipv6: bool


class Container(msgspec.Struct, frozen=True):
    """A container as the engine describes it now; `pid` is 0 while it does not run."""

    id: str
    service: str
    running: bool
    paused: bool
    pid: int
    started: str
    exit_code: int
    out_of_memory: bool
    shares_network: str  # `host` or `container:…` where its network is not its own
    addresses: tuple[Address, ...]
    published: tuple[tuple[int, str, int], ...]  # port within, address and port of the engine's host


class _State(msgspec.Struct, rename="pascal"):
    running: bool
    paused: bool
    pid: int
    started_at: str
    exit_code: int
    killed_for_memory: bool = msgspec.field(default=False, name="OOMKilled")


class _Joined(msgspec.Struct):
    ipv4: str = msgspec.field(name="IPAddress", default="")
    ipv6: str = msgspec.field(name="GlobalIPv6Address", default="")


class _Place(msgspec.Struct, rename="pascal"):
    host_ip: str
    host_port: str


class _Network(msgspec.Struct, rename="pascal"):
    networks: dict[str, _Joined] | None = None
    ports: dict[str, list[_Place] | None] | None = None


class _Config(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None


class _HostConfig(msgspec.Struct, rename="pascal"):
    network_mode: str


class _Told(msgspec.Struct, rename="pascal"):
    """What is read of an answer of the engine; all else is passed over."""

    id: str
    state: _State
    config: _Config
    host_config: _HostConfig
    network_settings: _Network


def of_file(api: docker.APIClient, file: Path) -> str | None:
    """Return the name of the project of a file that is up, None where none is.

    Projects that runs of quorate brought up are theirs. Raises `UsageError` where there are several.
    """
    chosen = os.environ.get(_CHOSEN)
    wanted = [PROJECT if chosen is None else f"{PROJECT}={chosen}"]
    with engine.translated("looking for compose projects"):
        labels = [one["Labels"] for one in api.containers(filters={"label": wanted})]
    found = sorted(
        {
            one[PROJECT]
            for one in labels
            if not identity.is_run_id(one[PROJECT]) and (chosen or _is_of(one, file))
        }
    )
    if len(found) > 1:
        raise UsageError(f"{file} is up as {' and as '.join(found)}: say which by {_CHOSEN}=NAME")
    return found[0] if found else None


def _is_of(labels: dict[str, str], file: Path) -> bool:
    """The older program notes the file as it was typed, so its folder and its name are compared."""
    names = [Path(name).name for name in labels.get(_FILES, "").split(",")]
    folder = Path(labels.get(_FOLDER, "/nowhere"))
    return file.name in names and folder.resolve() == file.parent


def members(api: docker.APIClient, project: str, asked: Sequence[Member]) -> list[Container]:
    """Return the container of each member; raises `UsageError` where a service has none or several."""
    with engine.translated(f"looking for the containers of {project}"):
        listed = api.containers(all=True, filters={"label": f"{PROJECT}={project}"})
    found = []
    for member in asked:
        ids = [
            one["Id"]
            for one in listed
            if one["Labels"].get(SERVICE) == member.service and one["Labels"].get(_ONE_OFF, "False") != "True"
        ]
        if len(ids) != 1:
            raise UsageError(
                f"the service {member.service} has {len(ids) or 'no'} containers in the compose project {project}: "
                "a member is one container"
            )
        found.append(inspect(api, ids[0]))
    return found


def inspect(api: docker.APIClient, container: str) -> Container:
    """Return what the engine says of a container now; raises `Broken` where it is gone."""
    with engine.translated(f"looking at the container {container[:12]}"):
        told = msgspec.convert(api.inspect_container(container), type=_Told)
    state, joined, mode = told.state, told.network_settings, told.host_config.network_mode
    return Container(
        id=told.id,
        service=(told.config.labels or {}).get(SERVICE, ""),
        running=state.running,
        paused=state.paused,
        pid=state.pid,
        started=state.started_at,
        exit_code=state.exit_code,
        out_of_memory=state.killed_for_memory,
        shares_network=mode if mode == "host" or mode.startswith("container:") else "",
        addresses=tuple(
            Address(name, one.ipv4, bool(one.ipv6)) for name, one in sorted((joined.networks or {}).items())
        ),
        published=tuple(_published(joined.ports or {})),
    )


def _published(ports: Mapping[str, Sequence[_Place] | None]) -> Iterator[tuple[int, str, int]]:
    for name, places in ports.items():
        port, _, protocol = name.partition("/")
        for place in places or ():
            if protocol == "tcp" and ":" not in place.host_ip:
                yield int(port), place.host_ip, int(place.host_port)


def must_be_whole(containers: Sequence[Container], project: str) -> None:
    """Raise `Broken` where a member of a project that is up is down or frozen."""
    down = [one.service for one in containers if not one.running or one.paused]
    if down:
        raise Broken(
            "not-whole",
            f"the compose project {project} is up, but not its {', '.join(down)}: start it (`docker start`, "
            "`docker unpause`), or take the project down",
        )
