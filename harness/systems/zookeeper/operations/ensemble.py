"""ZooKeeper's ensemble as configuration files and the znode /zookeeper/config write it (from 3.5 on)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from quorate.harness.core.membership import LEARNER, VOTER
from quorate.harness.core.node import Node
from quorate.harness.systems.zookeeper.client.access import PORT

PEERS, ELECTIONS = 2888, 3888
_WORDS: Final = {VOTER: "participant", LEARNER: "observer"}
_ROLES: Final = {word: role for role, word in _WORDS.items()}
_SEAT: Final = re.compile(r"^server\.(\d+)=([\d.]+):\d+:\d+:(participant|observer)", re.MULTILINE)
_VERSION: Final = re.compile(r"^version=([0-9a-f]+)$", re.MULTILINE)


class Seat(msgspec.Struct, frozen=True):
    """One server: its number, its address, and what it is."""

    number: int
    address: str
    role: str = VOTER

    def line(self, *, plain: bool = True) -> str:
        """Write it as `server.N=…` of a configuration has it, with a port for clients if it is one for plain text."""
        peers = f"{self.address}:{PEERS}:{ELECTIONS}"
        clients = f";{self.address}:{PORT}" if plain else ""
        return f"server.{self.number}={peers}:{_WORDS[self.role]}{clients}"


class Ensemble(msgspec.Struct, frozen=True):
    """All servers. `version` is the zxid of the change that made it so, 0 for what servers were first started with."""

    seats: tuple[Seat, ...]
    version: int = 0

    def lines(self, *, plain: bool) -> list[str]:
        """Write it as a dynamic configuration file has it; the others supply its version."""
        return [seat.line(plain=plain) for seat in self.seats]

    def seat_of(self, node: Node) -> Seat | None:
        """Return what a node is, None where it does not belong to it."""
        return next((seat for seat in self.seats if seat.address == node.address), None)


def read(text: str) -> Ensemble:
    """Read what /zookeeper/config holds."""
    seats = [Seat(int(number), address, _ROLES[word]) for number, address, word in _SEAT.findall(text)]
    version = _VERSION.search(text)
    return Ensemble(tuple(seats), int(version.group(1), 16) if version else 0)


def first(nodes: Sequence[Node]) -> Ensemble:
    """Return the ensemble in which every node votes."""
    return Ensemble(tuple(Seat(number_of(nodes, node), node.address) for node in nodes))


def number_of(nodes: Sequence[Node], node: Node) -> int:
    """Return the server's number, which stays its own whoever comes and goes."""
    return [other.name for other in nodes].index(node.name) + 1


def address_of(node: Node) -> str:
    """Return the address at which other servers reach it, with both ports."""
    return f"{node.address}:{PEERS}:{ELECTIONS}"
