"""Network interfaces over rtnetlink: what `ip link` and `ip addr` do, in the calling thread's network namespace.

The messages are those of linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from pathlib import Path
from typing import Final

from quorate.harness.cluster.netlink import (
    ACK,
    CREATE,
    EXCL,
    NETLINK_ROUTE,
    REQUEST,
    Message,
    Netlink,
    attribute,
    nested,
    text,
)

_NEWLINK, _DELLINK, _NEWADDR = 16, 17, 20
_IFNAME, _MASTER, _LINKINFO, _NETNS_FD = 3, 10, 18, 28
_KIND, _DATA = 1, 2
_VETH_PEER: Final = 1
_ADDRESS, _LOCAL = 1, 2
_UP: Final = 1
_LINK: Final = struct.Struct("=BxHiII")  # family, type, index, flags, which flags change
_ADDR: Final = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, index
_NEW: Final = REQUEST | ACK | CREATE | EXCL
_CHANGE: Final = REQUEST | ACK


def add_bridge(name: str) -> None:
    """Make a bridge."""
    body = _link() + text(_IFNAME, name) + nested(_LINKINFO, text(_KIND, "bridge"))
    _do(Message(_NEWLINK, body, _NEW))


def add_veth(name: str, peer: str, peer_netns: Path) -> None:
    """Make a pair of interfaces joined by a wire: one here, its peer in the namespace at the path."""
    descriptor = os.open(peer_netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = attribute(
            _VETH_PEER,
            _link() + text(_IFNAME, peer) + attribute(_NETNS_FD, struct.pack("=I", descriptor)),
        )
        info = nested(_LINKINFO, text(_KIND, "veth"), nested(_DATA, there))
        _do(Message(_NEWLINK, _link() + text(_IFNAME, name) + info, _NEW))
    finally:
        os.close(descriptor)


def attach(name: str, bridge: str) -> None:
    """Make an interface a port of a bridge and bring it up."""
    master = attribute(_MASTER, struct.pack("=I", socket.if_nametoindex(bridge)))
    _do(Message(_NEWLINK, _link(name, _UP) + master, _CHANGE))


def bring_up(*names: str) -> None:
    """Bring interfaces up."""
    for name in names:
        _do(Message(_NEWLINK, _link(name, _UP), _CHANGE))


def add_address(name: str, address: str, prefix: int) -> None:
    """Give an interface an IPv4 address."""
    packed = ipaddress.IPv4Address(address).packed
    head = _ADDR.pack(socket.AF_INET, prefix, 0, 0, socket.if_nametoindex(name))
    _do(Message(_NEWADDR, head + attribute(_LOCAL, packed) + attribute(_ADDRESS, packed), _NEW))


def delete(name: str) -> None:
    """Remove an interface, and its peer with it."""
    _do(Message(_DELLINK, _link(name), _CHANGE))


def _link(name: str | None = None, flags: int = 0) -> bytes:
    index = 0 if name is None else socket.if_nametoindex(name)
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flags, flags)


def _do(message: Message) -> None:
    with Netlink(NETLINK_ROUTE) as kernel:
        kernel.do([message])
