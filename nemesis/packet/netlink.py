"""The kernel's packet queue (linux/netfilter/nfnetlink_queue.h) over a plain netlink socket.

A queue belongs to the network namespace in which its socket was opened. If the socket is closed, or its owner dies,
rules with `--queue-bypass` let packets through: nothing has to be cleaned for traffic to flow again.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from typing import Final

from quorate.harness.cluster.netlink import ACK, NETLINK_NETFILTER, REQUEST, Message, attribute, encoded

_SOL_NETLINK, _NETLINK_NO_ENOBUFS = 270, 5
_SUBSYSTEM: Final = 3 << 8
_PACKET, _VERDICT, _CONFIG = 0, 1, 2
_CFG_COMMAND, _CFG_PARAMETERS, _CFG_LENGTH, _CFG_MASK, _CFG_FLAGS = 1, 2, 3, 4, 5
_BIND: Final = 1
_COPY_META, _COPY_PACKET = 1, 2
_FAIL_OPEN, _GSO = 1, 4
_ATTR_HEADER, _ATTR_VERDICT, _ATTR_PAYLOAD = 1, 2, 10
_DROP, _ACCEPT = 0, 1
_HEADER_BYTES: Final = 16
_BUFFER_BYTES: Final = 8 << 20
_DATAGRAM_BYTES: Final = 1 << 17
_QUEUE_LENGTH: Final = 65536


def message(kind: int, queue: int, body: bytes, flags: int = REQUEST) -> bytes:
    """Return one message to the queue subsystem."""
    head = struct.pack(">BBH", socket.AF_INET, 0, queue)
    return encoded(Message(_SUBSYSTEM | kind, head + body, flags), 0)


def packets(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Iterate over the packets in what was received: the id for the verdict, and the payload if it was copied."""
    at = 0
    while at + _HEADER_BYTES <= len(datagram):
        length, kind = struct.unpack_from("IH", datagram, at)
        if length < _HEADER_BYTES:
            return
        if kind == _SUBSYSTEM | _PACKET:
            number, payload = _attributes(datagram, at + _HEADER_BYTES + 4, at + length)
            if number is not None:
                yield number, payload
        at += (length + 3) & ~3


def _attributes(datagram: bytes, at: int, end: int) -> tuple[int | None, bytes]:
    number, payload = None, b""
    while at + 4 <= end:
        length, kind = struct.unpack_from("HH", datagram, at)
        if length < 4:  # noqa: PLR2004 - less than its own header: nothing sensible follows
            break
        if kind & 0x7FFF == _ATTR_HEADER:
            number = struct.unpack_from(">I", datagram, at + 4)[0]
        elif kind & 0x7FFF == _ATTR_PAYLOAD:
            payload = datagram[at + 4 : at + length]
        at += (length + 3) & ~3
    return number, payload


class Queue:
    """One queue of the namespace that the calling thread is in."""

    def __init__(self, number: int, *, payload: bool, mark: int) -> None:
        """Bind; raises OSError where the kernel or the privileges do not allow it."""
        self._number = number
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
        )
        self._socket.bind((0, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)
        self._raw = socket.socket(
            socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW
        )
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        self._configure(attribute(_CFG_COMMAND, struct.pack(">BBH", _BIND, 0, socket.AF_INET)))
        copy = (0xFFFF, _COPY_PACKET) if payload else (0, _COPY_META)
        self._configure(attribute(_CFG_PARAMETERS, struct.pack(">IB", *copy)))
        self._configure(attribute(_CFG_LENGTH, struct.pack(">I", _QUEUE_LENGTH)))
        flags = struct.pack(">I", _FAIL_OPEN if payload else _FAIL_OPEN | _GSO)
        self._configure(attribute(_CFG_FLAGS, flags) + attribute(_CFG_MASK, flags))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return what to wait on."""
        return self._socket.fileno()

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """Iterate over packets that have come in."""
        try:
            datagram = self._socket.recv(_DATAGRAM_BYTES)
        except BlockingIOError:
            return
        yield from packets(datagram)

    def accept(self, packet: int, payload: bytes | None = None) -> None:
        """Let a packet pass, with other content if given."""
        body = attribute(_ATTR_VERDICT, struct.pack(">II", _ACCEPT, packet))
        if payload is not None:
            body += attribute(_ATTR_PAYLOAD, payload)
        self._socket.send(message(_VERDICT, self._number, body))

    def drop(self, packet: int) -> None:
        """Let a packet vanish."""
        body = attribute(_ATTR_VERDICT, struct.pack(">II", _DROP, packet))
        self._socket.send(message(_VERDICT, self._number, body))

    def send_copy(self, payload: bytes) -> None:
        """Deliver a copy of a packet in this namespace; it carries the mark, so that it is not queued again."""
        with contextlib.suppress(OSError):  # a copy that cannot be sent is a copy lost
            self._raw.sendto(payload, (socket.inet_ntoa(payload[16:20]), 0))

    def _configure(self, body: bytes) -> None:
        self._socket.send(message(_CONFIG, self._number, body, REQUEST | ACK))
        answer = self._socket.recv(_DATAGRAM_BYTES)
        error: int = struct.unpack_from("i", answer, _HEADER_BYTES)[0]
        if error:
            raise OSError(-error, f"packet queue: {os.strerror(-error)}")
