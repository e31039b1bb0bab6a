"""The way between clients and a node: clients live on this host, so its ends are this host's address and the node's.

Cut at the node, in its own namespace: what comes from this host is dropped as it comes in, what goes to it as it
leaves. The harness's own questions to the servers take the same way, and are cut with the clients'.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from typing import Final

from quorate.harness.cluster.kernel import in_netns
from quorate.harness.cluster.network.probes import bound
from quorate.harness.core.clock import until
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

CLIENTS: Final = "clients"  # the other end, in pairs of a source and a target
_PORT: Final = 9  # of no consequence: nothing is sent
_POLL_S: Final = 0.002
_PATIENCE_S: Final = 0.06
_TRIES: Final = 3
_NONCE_BYTES: Final = 12

Pair = tuple[str, str]


def address_towards(node: Node) -> str:
    """Return the address of this host that a node sees its clients at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect((node.address, _PORT))
        except OSError as error:
            raise Broken("no-way", f"no way leads from here to {node.name}: {error.strerror}") from error
        address: str = asked.getsockname()[0]
        return address


def ways(names: Sequence[str]) -> list[Pair]:
    """Return both directions between clients and these nodes."""
    return [pair for name in names for pair in ((CLIENTS, name), (name, CLIENTS))]


async def probe(nodes: Sequence[Node]) -> dict[Pair, bool]:
    """Send datagrams both ways between this host and each node; True where one arrived. At most 0.1 s."""
    arrived = dict.fromkeys(ways([node.name for node in nodes]), False)
    with contextlib.ExitStack() as stack:
        ends: dict[Pair, tuple[socket.socket, socket.socket]] = {}
        for node in nodes:
            here = stack.enter_context(bound(address_towards(node)))
            there = stack.enter_context(_inside(node))
            ends[CLIENTS, node.name], ends[node.name, CLIENTS] = (here, there), (there, here)

        async def received() -> bool:
            for pair, (_, target) in ends.items():
                arrived[pair] = arrived[pair] or _received(target)
            return all(arrived.values())

        for _ in range(_TRIES):
            nonce = os.urandom(_NONCE_BYTES)
            for pair, (source, target) in ends.items():
                if not arrived[pair]:
                    with contextlib.suppress(
                        OSError
                    ):  # what is dropped as it leaves is reported to the sender
                        source.sendto(nonce, target.getsockname())
            await until(received, bool, deadline_s=_PATIENCE_S / _TRIES, poll_s=_POLL_S)
    return arrived


def _received(target: socket.socket) -> bool:
    try:
        return bool(target.recv(_NONCE_BYTES))
    except OSError:
        return False


def _inside(node: Node) -> socket.socket:
    try:
        return in_netns(node.netns or "", lambda: bound(node.address))
    except OSError as error:
        raise Broken("probe", f"cannot probe in the network of {node.name}: {error}") from error
