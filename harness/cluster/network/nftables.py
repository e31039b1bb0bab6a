"""The packet filter of a network namespace, spoken to over netlink from this process: no program, no C library.

The socket is opened by a thread that has entered the namespace; it stays bound to that namespace and may then be used
from anywhere. A transaction takes about 0.1 ms this way, against 20 ms for `nsenter nft` and 100 ms for `docker exec
nft`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from quorate.harness.cluster.kernel import in_netns
from quorate.harness.cluster.netlink import NETLINK_NETFILTER, Message, Netlink
from quorate.harness.cluster.network import expressions as nft
from quorate.harness.cluster.network.expressions import Family, Hook
from quorate.harness.cluster.network.rules import PARTS, QUEUE_TABLE, TABLES, Drop, Hold
from quorate.harness.core.outcome import Broken

_NO_QUEUE = (errno.ENOENT, errno.EOPNOTSUPP)  # the kernel's answers for an expression that it does not have


class Firewall:
    """The packet filter of one namespace; when the namespace at the path is replaced, the next call enters the new."""

    def __init__(self, netns: str) -> None:
        self.netns = netns
        self._inode = 0
        self._socket: Netlink | None = None

    def put(self, drop: Drop) -> None:
        """Make a table that drops packets, whatever was there before."""
        family, table = Family.INET, drop.table
        chance = nft.by_chance(drop.parts, PARTS) if drop.parts is not None else []
        chosen = nft.to_set() if drop.outgoing else nft.from_set()
        narrowed: list[list[bytes]] = [
            nft.with_port(port, of_source=of_source) for port in drop.ports for of_source in (True, False)
        ]
        rules = [
            [*nft.is_ipv4(), *chosen, *ports, *chance, nft.counted(), nft.drop()]
            for ports in narrowed or [[]]
        ]
        self._commit(
            [
                *_anew(family, table),
                nft.add_counter(family, table),
                nft.add_set(family, table),
                *_elements(family, table, drop.sources),
                nft.add_chain(family, table, Hook.OUTPUT if drop.outgoing else Hook.INPUT, drop.priority),
                *(nft.add_rule(family, table, rule) for rule in rules),
            ]
        )

    def change(self, drop: Drop) -> None:
        """Change whose packets are dropped by a table that stands."""
        elements = _elements(Family.INET, drop.table, drop.sources)
        self._commit([nft.flush_set(Family.INET, drop.table), *elements])

    def hold(self, held: Hold) -> None:
        """Make a table that hands packets to a queue."""
        try:
            self._hold(held, nft.to_queue(held.queue))
        except Broken as broken:
            cause = broken.__cause__
            if not isinstance(cause, OSError) or cause.errno not in _NO_QUEUE:
                raise
            self._hold(held, nft.to_queue_by_target(held.queue))

    def remove(self, table: str, family: Family = Family.INET) -> None:
        """Remove a table; nothing happens where there is none."""
        self._commit([nft.add_table(family, table), nft.delete_table(family, table)])

    def clear(self) -> None:
        """Remove every table of quorate's."""
        for table in TABLES:
            if self.has(table):
                self.remove(table)
        if self.has(QUEUE_TABLE, Family.IPV4):
            self.remove(QUEUE_TABLE, Family.IPV4)

    def has(self, table: str, family: Family = Family.INET) -> bool:
        """Whether there is such a table."""
        try:
            self._ask(nft.get_table(family, table))
        except Broken as broken:
            if isinstance(broken.__cause__, OSError) and broken.__cause__.errno == errno.ENOENT:
                return False
            raise
        return True

    def count(self, table: str, *, reset: bool = False) -> int:
        """Return how many packets a table has dropped, since the last reset."""
        return nft.packets_in(self._ask(nft.get_counter(Family.INET, table, reset=reset)))

    def close(self) -> None:
        """Close the socket; safe to call twice. The rules stay."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    def _hold(self, held: Hold, to_queue: bytes) -> None:
        family, table = Family.IPV4, held.table
        rule = [*nft.is_unmarked(held.mark), *nft.from_set(), to_queue]
        self._commit(
            [
                *_anew(family, table),
                nft.add_set(family, table),
                *_elements(family, table, held.sources),
                nft.add_chain(family, table, Hook.PREROUTING, held.priority),
                nft.add_rule(family, table, rule),
            ]
        )

    def _commit(self, messages: Sequence[Message]) -> None:
        """Run one transaction; raise `Broken` with the kernel's own word, nothing changed."""
        try:
            self._current().do(nft.batch(messages))
        except OSError as error:
            raise self._refused(error) from error

    def _ask(self, message: Message) -> Message:
        try:
            return self._current().ask(message)
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> Broken:
        if error.errno == errno.EPERM:
            mend = ": run as root, or with CAP_NET_ADMIN"
        elif error.errno in (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
            mend = ": this kernel lacks nf_tables (modprobe nf_tables)"
        else:
            mend = ""
        return Broken("firewall", f"nf_tables in {self.netns}: {error.strerror or error}{mend}")

    def _current(self) -> Netlink:
        try:
            inode = os.stat(self.netns).st_ino  # noqa: PTH116 - a magic link, no file
            if self._socket is None or inode != self._inode:
                self.close()
                self._socket = in_netns(self.netns, lambda: Netlink(NETLINK_NETFILTER))
                self._inode = inode
        except OSError as error:
            raise Broken("firewall", f"cannot enter the network of {self.netns}: {error.strerror}") from error
        return self._socket


def _anew(family: Family, table: str) -> list[Message]:
    """Adding before deleting makes the deletion right whether or not the table is there."""
    return [nft.add_table(family, table), nft.delete_table(family, table), nft.add_table(family, table)]


def _elements(family: Family, table: str, sources: Sequence[str]) -> list[Message]:
    return [nft.add_elements(family, table, sources)] if sources else []
