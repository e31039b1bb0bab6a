"""nf_tables' messages for the few things quorate asks of a packet filter (linux/netfilter/nf_tables.h).

A rule is a list of expressions on one register: load a field, compare or look it up, count, and say what becomes of
the packet. `nft --debug=netlink` prints the same expressions for the text of a rule.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from quorate.harness.cluster.netlink import (
    ACK,
    CREATE,
    REQUEST,
    Message,
    attribute,
    attributes,
    be32,
    nested,
    text,
)

_SUBSYSTEM: Final = 10 << 8
_BATCH_BEGIN, _BATCH_END = 16, 17
_HEAD: Final = struct.Struct(">BBH")  # family, version, resource
_NEW: Final = REQUEST | ACK | CREATE
_LIST_ELEMENT: Final = 1
_REGISTER: Final = 1
_IPV4_TYPE, _IPV4_BYTES = 7, 4
_SET_NUMBER: Final = 1  # of the one set of a transaction
_COUNTER_OBJECT: Final = 1
_COUNTER_DATA, _COUNTER_PACKETS = 4, 2

COUNTER: Final = "dropped"
SET: Final = "sources"
CHAIN: Final = "input"


class Family(IntEnum):
    """Families of tables."""

    INET = 1
    IPV4 = 2


class Hook(IntEnum):
    """Where a chain sees packets."""

    PREROUTING = 0
    INPUT = 1
    OUTPUT = 3


class _Kind(IntEnum):
    NEW_TABLE = 0
    DELETE_TABLE = 2
    GET_TABLE = 1
    NEW_CHAIN = 3
    NEW_RULE = 6
    NEW_SET = 9
    NEW_ELEMENT = 12
    DELETE_ELEMENT = 14
    NEW_OBJECT = 18
    GET_OBJECT = 19
    RESET_OBJECT = 21


class _Meta(IntEnum):
    MARK = 3
    PROTOCOL_FAMILY = 15


class Compare(IntEnum):
    """How a register is compared."""

    EQUAL = 0
    NOT_EQUAL = 1
    LESS = 2


def batch(messages: Sequence[Message]) -> list[Message]:
    """Return the messages as one transaction: all are done or none is."""
    bracket = _HEAD.pack(0, 0, _SUBSYSTEM >> 8)
    return [Message(_BATCH_BEGIN, bracket), *messages, Message(_BATCH_END, bracket)]


def add_table(family: Family, table: str) -> Message:
    """Make a table, or leave it as it is."""
    return _message(_Kind.NEW_TABLE, family, text(1, table), _NEW)


def delete_table(family: Family, table: str) -> Message:
    """Delete a table with all in it."""
    return _message(_Kind.DELETE_TABLE, family, text(1, table), REQUEST | ACK)


def get_table(family: Family, table: str) -> Message:
    """Ask for a table; the answer is an error where there is none."""
    return _message(_Kind.GET_TABLE, family, text(1, table), REQUEST)


def add_counter(family: Family, table: str) -> Message:
    """Make the table's counter."""
    counting = nested(_COUNTER_DATA, attribute(1, bytes(8)), attribute(_COUNTER_PACKETS, bytes(8)))
    body = text(1, table) + text(2, COUNTER) + be32(3, _COUNTER_OBJECT) + counting
    return _message(_Kind.NEW_OBJECT, family, body, _NEW)


def get_counter(family: Family, table: str, *, reset: bool) -> Message:
    """Ask for the table's counter; `reset` sets it to zero as it is read."""
    kind = _Kind.RESET_OBJECT if reset else _Kind.GET_OBJECT
    return _message(kind, family, text(1, table) + text(2, COUNTER) + be32(3, _COUNTER_OBJECT), REQUEST)


def add_set(family: Family, table: str) -> Message:
    """Make the table's set of IPv4 addresses, empty."""
    body = text(1, table) + text(2, SET) + be32(4, _IPV4_TYPE) + be32(5, _IPV4_BYTES) + be32(10, _SET_NUMBER)
    return _message(_Kind.NEW_SET, family, body, _NEW)


def add_elements(family: Family, table: str, addresses: Sequence[str]) -> Message:
    """Add addresses to the set."""
    elements = [
        nested(_LIST_ELEMENT, nested(1, attribute(1, ipaddress.IPv4Address(address).packed)))
        for address in addresses
    ]
    body = text(1, table) + text(2, SET) + nested(3, *elements)
    return _message(_Kind.NEW_ELEMENT, family, body, _NEW)


def flush_set(family: Family, table: str) -> Message:
    """Remove all addresses from the set."""
    return _message(_Kind.DELETE_ELEMENT, family, text(1, table) + text(2, SET), REQUEST | ACK)


def add_chain(family: Family, table: str, hook: Hook, priority: int) -> Message:
    """Make the chain, hooked in, which accepts what no rule decides."""
    hooked = nested(4, be32(1, hook), be32(2, priority))
    body = text(1, table) + text(3, CHAIN) + hooked + be32(5, 1) + text(7, "filter")
    return _message(_Kind.NEW_CHAIN, family, body, _NEW)


def add_rule(family: Family, table: str, expressions: Sequence[bytes]) -> Message:
    """Add a rule to the chain."""
    body = text(1, table) + text(2, CHAIN) + nested(4, *expressions)
    return _message(_Kind.NEW_RULE, family, body, _NEW | 0x800)  # NLM_F_APPEND


def is_ipv4() -> list[bytes]:
    """Continue with IPv4 packets only."""
    return [_meta(_Meta.PROTOCOL_FAMILY), _compare(Compare.EQUAL, bytes([Family.IPV4]))]


def is_unmarked(mark: int) -> list[bytes]:
    """Continue with packets that do not carry the mark."""
    return [_meta(_Meta.MARK), _compare(Compare.NOT_EQUAL, struct.pack("=I", mark))]


def from_set() -> list[bytes]:
    """Continue with packets whose source address is in the set."""
    return _in_set(12)


def to_set() -> list[bytes]:
    """Continue with packets whose target address is in the set."""
    return _in_set(16)


def _in_set(at: int) -> list[bytes]:
    """Look the address that stands at this byte of the IPv4 header up in the set."""
    network_header = 1
    load = be32(1, _REGISTER) + be32(2, network_header) + be32(3, at) + be32(4, _IPV4_BYTES)
    found = text(1, SET) + be32(2, _REGISTER) + be32(4, _SET_NUMBER)
    return [_expression("payload", load), _expression("lookup", found)]


def with_port(port: int, *, of_source: bool) -> list[bytes]:
    """Continue with packets from this port, or to it: both stand first in the headers of TCP and UDP."""
    transport_header = 2
    at = be32(3, 0 if of_source else 2)
    load = be32(1, _REGISTER) + be32(2, transport_header) + at + be32(4, 2)
    return [_expression("payload", load), _compare(Compare.EQUAL, struct.pack(">H", port))]


def by_chance(parts: int, of: int) -> list[bytes]:
    """Continue with so many packets of so many, by the kernel's own chance."""
    random, to_network_order = 1, 1
    draw = be32(1, _REGISTER) + be32(2, of) + be32(3, random)
    order = be32(1, _REGISTER) + be32(2, _REGISTER) + be32(3, to_network_order) + be32(4, 4) + be32(5, 4)
    return [
        _expression("numgen", draw),
        _expression("byteorder", order),
        _compare(Compare.LESS, struct.pack(">I", parts)),
    ]


def counted() -> bytes:
    """Count the packet in the table's counter."""
    return _expression("objref", be32(1, _COUNTER_OBJECT) + text(2, COUNTER))


def drop() -> bytes:
    """Drop the packet."""
    verdict_register, dropped = 0, 0
    return _expression("immediate", be32(1, verdict_register) + nested(2, nested(2, be32(1, dropped))))


def to_queue(number: int) -> bytes:
    """Hand the packet to a queue; it passes where no program listens. Kernels with nft_queue have it."""
    bypass = 1
    body = b"".join(
        attribute(kind, struct.pack(">H", value)) for kind, value in ((1, number), (2, 1), (3, bypass))
    )
    return _expression("queue", body)


def to_queue_by_target(number: int) -> bytes:
    """Do the same by iptables' target NFQUEUE: kernels without nft_queue may have xt_NFQUEUE and nft_compat."""
    revision, bypass = 3, 1
    # struct xt_NFQ_info_v3 in the host's byte order, padded to eight bytes as xtables wants it.
    info = struct.pack("=HHHxx", number, 1, bypass)
    return _expression("target", text(1, "NFQUEUE") + be32(2, revision) + attribute(3, info))


def packets_in(answer: Message) -> int:
    """Return the count in the answer to `get_counter`."""
    data = attributes(attributes(answer.body[_HEAD.size :]).get(_COUNTER_DATA, b""))
    return int.from_bytes(data.get(_COUNTER_PACKETS, b""), "big")


def _meta(key: _Meta) -> bytes:
    return _expression("meta", be32(1, _REGISTER) + be32(2, key))


def _compare(how: Compare, value: bytes) -> bytes:
    return _expression("cmp", be32(1, _REGISTER) + be32(2, how) + nested(3, attribute(1, value)))


def _expression(name: str, body: bytes) -> bytes:
    return nested(_LIST_ELEMENT, text(1, name), nested(2, body))


def _message(kind: _Kind, family: Family, body: bytes, flags: int) -> Message:
    return Message(_SUBSYSTEM | kind, _HEAD.pack(family, 0, 0) + body, flags)
