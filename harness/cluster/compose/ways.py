"""How clients reach a container's server: at its own address if that is reached from here, else at a published port."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final
from urllib.parse import urlparse

from quorate.harness.cluster.compose.node import ComposeNode
from quorate.harness.core.clock import until
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken

_SERVES_S: Final = 90.0
_POLL_S: Final = 0.1
_CONNECT_S: Final = 1.0
_ANY: Final = "0.0.0.0"  # noqa: S104 - as the engine writes it

Place = tuple[str, int]


async def find(node: ComposeNode, *, only_inner: bool) -> None:
    """Set where clients reach the node, once its server takes connections; raise `Broken` where it never does.

    `only_inner`: faults act on the way between this host and the container's own address.
    """
    inner: list[Place] = [(node.inner_address, node.listens)] if node.inner_address else []
    outer = [] if only_inner else [(_of_engine(host), port) for host, port in node.published]
    if not only_inner and node.on_host:
        outer.append((_of_engine(_ANY), node.listens))
    places = [*inner, *outer]
    if not places:
        raise Broken("no-way", _no_way(node, only_inner=only_inner))

    async def looked() -> Place | ProcessState | None:
        for place in places:
            if await asyncio.to_thread(_takes, place):
                return place
        state = await node.state("")
        return state if state is ProcessState.DEAD else None

    found = await until(looked, lambda one: one is not None, deadline_s=_SERVES_S, poll_s=_POLL_S)
    if isinstance(found, ProcessState):
        raise Broken(
            "server-died", f"the service {node.service} ended ({await node.ended('')}): {await node.said()}"
        )
    if found is None:
        tried = ", ".join(f"{host}:{port}" for host, port in places)
        raise Broken(
            "no-way",
            f"no server answers at {tried} within {_SERVES_S:g} s: {_no_way(node, only_inner=only_inner)}; it said: "
            f"{await node.said()}",
        )
    node.where = None if found in inner else found


def _no_way(node: ComposeNode, *, only_inner: bool) -> str:
    publish = "" if only_inner else ", or publish it (`ports:`)"
    return (
        f"the service {node.service} must serve clients at port {node.listens} of its container on all addresses "
        f"(another port: --service {node.name}={node.service}:PORT){publish}"
    )


def _of_engine(host: str) -> str:
    """Return where a port published at this address of the engine's host is reached from here."""
    if host not in (_ANY, ""):
        return host
    remote = urlparse(os.environ.get("DOCKER_HOST", ""))
    return remote.hostname if remote.scheme == "tcp" and remote.hostname else "127.0.0.1"


def _takes(place: Place) -> bool:
    try:
        socket.create_connection(place, _CONNECT_S).close()
    except OSError:
        return False
    return True
