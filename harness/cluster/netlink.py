"""Netlink (RFC 3549): messages, attributes, and a socket that waits for the kernel's acknowledgements.

The half of the protocol that links, nf_tables and packet queues have in common. Numbers are those of linux/netlink.h.

See docs/decisions/networks.md.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Final, Self

import msgspec

NETLINK_ROUTE: Final = 0
NETLINK_NETFILTER: Final = 12

REQUEST, ACK, EXCL, CREATE = 1, 4, 0x200, 0x400

HEADER: Final = struct.Struct("=IHHII")  # length, kind, flags, sequence number, port
_ATTRIBUTE: Final = struct.Struct("=HH")
_ERROR_CODE: Final = struct.Struct("=i")
_NESTED: Final = 0x8000
_KIND_MASK: Final = 0x3FFF  # without the bits "nested" and "network byte order"
_ERROR: Final = 2
_TIMEOUT_S: Final = 10.0
_DATAGRAM_BYTES: Final = 1 << 17


class Message(msgspec.Struct, frozen=True):
    """One message without its header; `body` begins with the family's own header."""

    kind: int
    body: bytes
    flags: int = REQUEST


def padded(body: bytes) -> bytes:
    """Return the bytes filled up to a multiple of four."""
    return body + b"\0" * (-len(body) % 4)


def attribute(kind: int, body: bytes) -> bytes:
    """Return one attribute, padded."""
    return padded(_ATTRIBUTE.pack(_ATTRIBUTE.size + len(body), kind) + body)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that holds attributes."""
    return attribute(kind | _NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """Return an attribute that holds a string, which the kernel wants ended by a zero byte."""
    return attribute(kind, value.encode() + b"\0")


def be32(kind: int, value: int) -> bytes:
    """Return an attribute that holds 32 bits in network byte order; negative ones as two's complement."""
    return attribute(kind, struct.pack(">I", value & 0xFFFFFFFF))


def encoded(message: Message, sequence: int) -> bytes:
    """Return the message with its header, padded."""
    return padded(
        HEADER.pack(HEADER.size + len(message.body), message.kind, message.flags, sequence, 0) + message.body
    )


def decoded(datagram: bytes) -> Iterator[tuple[int, Message]]:
    """Iterate over the messages of a datagram with their sequence numbers; a damaged one ends the reading."""
    at = 0
    while at + HEADER.size <= len(datagram):
        length, kind, flags, sequence, _port = HEADER.unpack_from(datagram, at)
        if length < HEADER.size or at + length > len(datagram):
            return
        yield sequence, Message(kind, datagram[at + HEADER.size : at + length], flags)
        at += (length + 3) & ~3


def attributes(body: bytes) -> dict[int, bytes]:
    """Return the attributes by kind (the last of each); a damaged one ends the reading."""
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size or at + length > len(body):
            break
        found[kind & _KIND_MASK] = body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


class Netlink:
    """A socket to the kernel in the network namespace of the thread that makes it; usable from any thread after.

    The kernel works while it is asked, so a call takes as long as the work does; the deadline is a precaution.
    """

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.settimeout(_TIMEOUT_S)
        try:
            self._socket.bind((0, 0))
        except OSError:
            self._socket.close()
            raise
        self._sequence = 0

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def do(self, messages: Sequence[Message]) -> None:
        """Send messages in one datagram and wait until each is acknowledged; raises OSError for the first that is not.

        Those without the flag ACK (the brackets around a transaction) are acknowledged only where they fail.
        """
        first = self._sequence + 1
        self._send(messages)
        missing = {first + number for number, message in enumerate(messages) if message.flags & ACK}
        errors: dict[int, int] = {}
        while missing:
            for sequence, answer in decoded(self._socket.recv(_DATAGRAM_BYTES)):
                if answer.kind != _ERROR or not first <= sequence <= self._sequence:
                    continue  # left over from a call that timed out
                code = _ERROR_CODE.unpack_from(answer.body)[0]
                if code:
                    errors[sequence] = -code
                if sequence not in missing:  # an opening bracket refused: none of the others is looked at
                    missing.clear()
                missing.discard(sequence)
        if errors:
            number = errors[min(errors)]
            raise OSError(number, os.strerror(number))

    def ask(self, message: Message) -> Message:
        """Send one question and return its one answer; raises OSError where the kernel refuses."""
        self._send([message])
        while True:
            for sequence, answer in decoded(self._socket.recv(_DATAGRAM_BYTES)):
                if sequence != self._sequence:
                    continue
                if answer.kind == _ERROR:
                    number = -_ERROR_CODE.unpack_from(answer.body)[0]
                    raise OSError(number, os.strerror(number))
                return answer

    def _send(self, messages: Sequence[Message]) -> None:
        datagram = bytearray()
        for message in messages:
            self._sequence += 1
            datagram += encoded(message, self._sequence)
        self._socket.send(datagram)
