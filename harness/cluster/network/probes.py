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

import msgspec

from quorate.harness.cluster.kernel import in_netns
from quorate.harness.core.clock import until
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

_POLL_S = 0.002
_LATE_S = 10.0  # a measurement may take so much longer on a busy machine
PATIENCE_S = 0.03
ATTEMPTS = 2
LOSSY_ATTEMPTS = 10
_NONCE_BYTES = 12
_DATAGRAM_BYTES = 64
_RECEIVE_MAX = 10_000


class Flight(msgspec.Struct, frozen=True):
    """What became of the probes over one direction: how long those that arrived took, and copies beyond the first."""

    sent: int
    delays_s: tuple[float, ...]
    copies: int

    @property
    def lost(self) -> int:
        """How many never arrived."""
        return self.sent - len(self.delays_s)


class Probes:
    """The probe sockets of a cluster, made when first needed and made anew when a node's namespace was replaced.

    `patience_s` and `attempts` are for networks that a fault has made slow or lossy.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._sockets: dict[str, tuple[int, socket.socket]] = {}
        self.patience_s = PATIENCE_S
        self.attempts = ATTEMPTS

    def prepare(self) -> None:
        """Make all sockets now."""
        for name in self._nodes:
            self._socket(name)

    async def probe(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Return for each directed pair whether a datagram arrived; on silence it is sent again."""
        sent: dict[bytes, tuple[str, str]] = {}
        wanted = set(pairs)
        arrived: set[tuple[str, str]] = set()
        names = self._fresh(pairs)

        async def received() -> set[tuple[str, str]]:
            for name in names:
                arrived.update(sent[nonce] for nonce in self._received(name) if nonce in sent)
            return arrived

        for _attempt in range(self.attempts):
            self._send(sorted(wanted - arrived), sent)
            patience_s = self.patience_s / self.attempts
            if await until(received, wanted.issubset, deadline_s=patience_s, poll_s=_POLL_S) >= wanted:
                break
        return {pair: pair in arrived for pair in pairs}

    async def measure(
        self, pairs: Sequence[tuple[str, str]], *, count: int, gap_s: float, patience_s: float
    ) -> dict[tuple[str, str], Flight]:
        """Send `count` datagrams over each direction, `gap_s` apart, and return what became of them.

        A delay is measured until this process has seen the arrival, so a busy one measures too much, never too little.
        """
        loop = asyncio.get_running_loop()
        sent: dict[bytes, tuple[str, str]] = {}
        begun: dict[bytes, float] = {}
        took: dict[bytes, float] = {}
        copies: dict[tuple[str, str], int] = dict.fromkeys(pairs, 0)
        names = self._fresh(pairs)
        turns, due = 0, loop.time()
        end = due + count * gap_s + patience_s
        latest = end + _LATE_S
        # Not `until`: it sends as well, in turns, and its end moves.
        while loop.time() < min(end, latest) and not (turns == count and len(took) == len(sent)):
            if turns < count and loop.time() >= due:
                known = set(sent)
                self._send(pairs, sent)
                begun |= dict.fromkeys(set(sent) - known, loop.time())
                turns, due = turns + 1, due + gap_s
                # A busy process is late with its probes: each has its time, or it would count as lost.
                end = max(end, loop.time() + (count - turns) * gap_s + patience_s)
            for name in names:
                for nonce in self._received(name):
                    if nonce in took:
                        copies[sent[nonce]] += 1
                    elif nonce in sent:
                        took[nonce] = loop.time() - begun[nonce]
            await asyncio.sleep(_POLL_S / 2)
        delays: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
        for nonce, delay in took.items():
            delays[sent[nonce]].append(delay)
        return {pair: Flight(turns, tuple(delays[pair]), copies[pair]) for pair in pairs}

    def _fresh(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Return the names in these pairs, their sockets rid of late datagrams of an earlier probe."""
        names = sorted({name for pair in pairs for name in pair})
        for name in names:
            self._received(name)
        return names

    def _send(self, pairs: Sequence[tuple[str, str]], sent: dict[bytes, tuple[str, str]]) -> None:
        for source, target in pairs:
            nonce = os.urandom(_NONCE_BYTES)
            sent[nonce] = (source, target)
            address = self._socket(target).getsockname()
            with contextlib.suppress(
                OSError
            ):  # no route, no interface: nothing arrives, and that is the answer
                self._socket(source).sendto(nonce, address)

    def _received(self, name: str) -> list[bytes]:
        found = []
        for _ in range(_RECEIVE_MAX):
            try:
                found.append(self._socket(name).recv(_DATAGRAM_BYTES))
            except BlockingIOError:
                break
            except OSError:  # what the network reported of an earlier send
                continue
        return found

    def _socket(self, name: str) -> socket.socket:
        node = self._nodes.get(name)
        if node is None or node.netns is None:
            raise Broken("bad-probe", f"no node {name}; the nodes are {', '.join(self._nodes)}")
        try:
            inode = os.stat(node.netns).st_ino  # noqa: PTH116 - a magic link, no file
            known = self._sockets.get(name)
            if known is not None and known[0] == inode:
                return known[1]
            made = in_netns(node.netns, lambda: bound(node.address))
        except OSError as error:
            raise Broken("probe", f"cannot probe in the network of {name}: {error}") from error
        if known is not None:
            known[1].close()
        self._sockets[name] = (inode, made)
        return made


def bound(address: str) -> socket.socket:
    """Return a datagram socket at any port of the address; raise `OSError`."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.bind((address, 0))
    except OSError:
        made.close()
        raise
    return made
