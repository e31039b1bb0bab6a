"""What packet filters are asked to do, as plain records: one table with one rule, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

CUT_TABLE: Final = "quorate"
LOSS_TABLE: Final = "quorate_packet"
QUEUE_TABLE: Final = "quorate_queue"
REQUESTS_TABLE: Final = "quorate_requests"
ANSWERS_TABLE: Final = "quorate_answers"
ALONE_TABLE: Final = "quorate_alone"
PORTS_TABLE: Final = "quorate_ports"
TABLES: Final = (CUT_TABLE, LOSS_TABLE, REQUESTS_TABLE, ANSWERS_TABLE, ALONE_TABLE, PORTS_TABLE)  # of INET
PARTS: Final = 10_000  # a share of packets is counted in these

# Before connection tracking and before every rule of others: established connections are cut as well.
_CUT_PRIORITY: Final = -300
_LOSS_PRIORITY: Final = -299  # behind the cuts, before probes are counted
_QUEUE_PRIORITY: Final = -150  # of the mangle table: where packets may be changed


class Drop(msgspec.Struct, frozen=True):
    """A table that drops packets from these addresses as they come in, and counts them; `share` of them, by chance.

    With `outgoing` it drops what goes to these addresses, as it leaves; with `ports` only what comes from or goes to
    one of them.
    """

    table: str
    priority: int
    sources: tuple[str, ...]
    share: float = 1.0
    outgoing: bool = False
    ports: tuple[int, ...] = ()

    @property
    def parts(self) -> int | None:
        """How many of `PARTS` packets are dropped, None for all."""
        chosen = round(self.share * PARTS)
        return chosen if chosen < PARTS else None


class Hold(msgspec.Struct, frozen=True):
    """A table that hands packets from these addresses to a queue, except those with the mark.

    While no program listens at the queue, the packets pass.
    """

    table: str
    priority: int
    sources: tuple[str, ...]
    queue: int
    mark: int


def cut(sources: Iterable[str]) -> Drop:
    """Return what makes a node deaf to exactly these addresses."""
    return Drop(CUT_TABLE, _CUT_PRIORITY, tuple(sorted(sources)))


def requests(client: str) -> Drop:
    """Return what keeps a node from hearing its clients."""
    return Drop(REQUESTS_TABLE, _CUT_PRIORITY, (client,))


def answers(client: str) -> Drop:
    """Return what keeps a node's answers from its clients."""
    return Drop(ANSWERS_TABLE, _CUT_PRIORITY, (client,), outgoing=True)


def alone(sources: Iterable[str]) -> Drop:
    """Return what makes a node deaf to these addresses, whatever cuts there are besides."""
    return Drop(ALONE_TABLE, _CUT_PRIORITY, tuple(sorted(sources)))


def on_ports(sources: Iterable[str], ports: Iterable[int]) -> Drop:
    """Return what makes a node deaf to these addresses on connections with one of these ports at either end."""
    return Drop(PORTS_TABLE, _CUT_PRIORITY, tuple(sorted(sources)), ports=tuple(sorted(ports)))


def loss(sources: Iterable[str], share: float) -> Drop:
    """Return what loses this share of what comes from these addresses."""
    return Drop(LOSS_TABLE, _LOSS_PRIORITY, tuple(sorted(sources)), share)


def hold(sources: Iterable[str], queue: int, mark: int) -> Hold:
    """Return what hands packets from these addresses to a queue."""
    return Hold(QUEUE_TABLE, _QUEUE_PRIORITY, tuple(sorted(sources)), queue, mark)


def deaf_to(nodes: Sequence[Node], pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return for each node's name the addresses it is to be deaf to; raise `Broken` for pairs of strangers."""
    addresses = {node.name: node.address for node in nodes}
    found: dict[str, list[str]] = {node.name: [] for node in nodes}
    for source, target in sorted(pairs):
        if source not in addresses or target not in addresses or source == target:
            raise Broken(
                "bad-cut", f"cannot cut {source} from {target}: the nodes are {', '.join(addresses)}"
            )
        found[target].append(addresses[source])
    return found
