"""Probe packets: a socket in each node's namespace, a datagram with a nonce over each directed pair.

A probe goes through the same interfaces and the same packet filter as the servers' own packets, and needs nothing in
the node. It is received by the kernel at once or never, so a late look at the sockets cannot call a live path dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence

from harness.cluster.kernel import in_netns
from harness.cluster.node import Node
from harness.outcome import Broken

_POLL_S = 0.002
_PATIENCE_S = 0.03
_NONCE_BYTES = 12
_DATAGRAM_BYTES = 64
_RECEIVE_MAX = 10_000


class Probes:
    """The probe sockets of a cluster, made when first needed and made anew when a node's namespace was replaced."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._sockets: dict[str, tuple[int, socket.socket]] = {}

    def prepare(self) -> None:
        """Make all sockets now."""
        for name in self._nodes:
            self._socket(name)

    async def probe(
        self, pairs: Sequence[tuple[str, str]], patience_s: float = _PATIENCE_S
    ) -> dict[tuple[str, str], bool]:
        """Return for each directed pair whether a datagram arrived within `patience_s`; two are sent on silence."""
        loop = asyncio.get_running_loop()
        sent: dict[bytes, tuple[str, str]] = {}
        arrived: set[tuple[str, str]] = set()
        names = sorted({name for pair in pairs for name in pair})
        for name in names:
            self._drain(name, {}, set())  # late ones of an earlier probe
        for attempt in (1, 2):
            missing = [pair for pair in pairs if pair not in arrived]
            self._send(missing, sent)
            end = loop.time() + patience_s / 2
            while len(arrived) < len(set(pairs)):
                for name in names:
                    self._drain(name, sent, arrived)
                if loop.time() >= end:
                    break
                await asyncio.sleep(_POLL_S)
            if attempt == 1 and len(arrived) == len(set(pairs)):
                break
        return {pair: pair in arrived for pair in pairs}

    def _send(self, pairs: Sequence[tuple[str, str]], sent: dict[bytes, tuple[str, str]]) -> None:
        for source, target in pairs:
            nonce = os.urandom(_NONCE_BYTES)
            sent[nonce] = (source, target)
            address = self._socket(target).getsockname()
            with contextlib.suppress(
                OSError
            ):  # no route, no interface: nothing arrives, and that is the answer
                self._socket(source).sendto(nonce, address)

    def _drain(self, name: str, sent: dict[bytes, tuple[str, str]], arrived: set[tuple[str, str]]) -> None:
        for _ in range(_RECEIVE_MAX):
            try:
                nonce, _sender = self._socket(name).recvfrom(_DATAGRAM_BYTES)
            except OSError:  # nothing there, or an error that the network reported of an earlier send
                return
            pair = sent.get(nonce)
            if pair is not None and pair[1] == name:
                arrived.add(pair)

    def _socket(self, name: str) -> socket.socket:
        node = self._nodes.get(name)
        if node is None or node.netns is None:
            raise Broken("bad-probe", f"no node {name}; the nodes are {', '.join(self._nodes)}")
        try:
            inode = os.stat(node.netns).st_ino  # noqa: PTH116 - a magic link, no file
            known = self._sockets.get(name)
            if known is not None and known[0] == inode:
                return known[1]
            made = in_netns(node.netns, lambda: _bound(node.address))
        except OSError as error:
            raise Broken("probe", f"cannot probe in the network of {name}: {error}") from error
        if known is not None:
            known[1].close()
        self._sockets[name] = (inode, made)
        return made


def _bound(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.bind((address, 0))
    except OSError:
        made.close()
        raise
    return made
