"""What a run asks of the containers of a compose file, looked at before anything is started or touched."""

from __future__ import annotations

import os
from collections.abc import Sequence

import docker

from quorate.harness.cluster.compose import leftovers, program, projects
from quorate.harness.cluster.compose.asked import Asked
from quorate.harness.cluster.compose.projects import Container
from quorate.harness.cluster.docker import engine
from quorate.harness.core.outcome import UsageError

_ENGINE_S = 5
_WAYS = "faults but kill, pause and restart enter the containers"


def examine(asked: Asked) -> None:
    """Raise `UsageError` with what is wrong or missing, `Broken` where no engine answers or a member is down.

    Starts nothing. Of a project that is not up yet, the members' networks are looked at once its containers are made.
    """
    compose = program.find(asked.file)
    program.check_services(compose, [one.service for one in asked.members])
    api = engine.connect(timeout_s=_ENGINE_S)
    try:
        if asked.entered:
            _check_host(api)
        if (project := projects.of_file(api, compose.file)) is not None:
            members = projects.members(api, project, asked.members)
            check_guest(members, project, asked)
        elif asked.entered:
            modes = compose.modes()
            for member in asked.members:
                if member.service in modes:
                    raise UsageError(_no_network(member.service, modes[member.service]))
    finally:
        api.close()


def check_guest(members: Sequence[Container], project: str, asked: Asked) -> None:
    """Raise where a project that is up cannot have this run for a guest: `Broken` where a member is down."""
    projects.must_be_whole(members, project)
    if asked.patching:
        raise UsageError(
            f"-f {asked.patching[0]}: the compose project {project} is up already, and after a kill -9 its servers "
            "would keep what this fault changes in them; take it down first: then one is up for the run alone"
        )
    check(members, asked)


def check(members: Sequence[Container], asked: Asked) -> None:
    """Raise `UsageError` where the members' networks are not such that faults can cut exactly them."""
    if not asked.entered:
        return
    for one in members:
        if one.shares_network:
            raise UsageError(_no_network(one.service, one.shares_network))
        if one.running and not leftovers.enterable(one.pid, one.id):
            raise UsageError(f"the container of {one.service} cannot be entered from here: {_NOT_ENTERED}")
        if wide := [place.network for place in one.addresses if place.ipv6]:
            raise UsageError(
                f"the service {one.service} has an IPv6 address in {wide[0]}: cuts are made between IPv4 addresses, "
                f"and servers might speak past them; {_WAYS}"
            )
    names = shared(members)
    if len(names) != 1:
        found = " and ".join(names) or "no network"
        raise UsageError(
            f"the members have {found} in common: {_WAYS} and need exactly one network that joins them, for it must be "
            "known over which they speak"
        )


def _no_network(service: str, mode: str) -> str:
    return (
        f"the service {service} shares its network (network_mode {mode}): {_WAYS}, and must not touch a network "
        "that is others' too"
    )


def shared(members: Sequence[Container]) -> list[str]:
    """Return the networks that all members are in."""
    every = [{place.network for place in one.addresses} for one in members]
    return sorted(set.intersection(*every)) if every else []


_NOT_ENTERED = (
    f"{_WAYS}, which needs root on the engine's own machine; run as root there, or ask for kill, pause and "
    "restart alone"
)


def _check_host(api: docker.APIClient) -> None:
    if os.geteuid() != 0:
        raise UsageError(f"this process is not root: {_NOT_ENTERED}")
    with engine.translated("asking the engine for its kernel"):
        kernel = str(api.info().get("KernelVersion", ""))
    if kernel != os.uname().release:
        raise UsageError(f"the engine runs on another kernel ({kernel}): {_NOT_ENTERED}")
