"""Netlink messages without a kernel: what is written is read, and damage ends the reading."""

from __future__ import annotations

from random import Random

import pytest

from quorate.harness.cluster.netlink import (
    HEADER,
    Message,
    attribute,
    attributes,
    be32,
    decoded,
    encoded,
    nested,
    text,
)


def test_messages_are_read_as_they_are_written():
    one, other = Message(7, b"body!", 5), Message(8, b"", 1)
    datagram = encoded(one, 41) + encoded(other, 42)
    assert len(datagram) % 4 == 0
    assert list(decoded(datagram)) == [(41, one), (42, other)]


def test_attributes_are_read_as_they_are_written():
    body = text(1, "lo") + be32(2, -300) + nested(3, attribute(4, b"deep"))
    found = attributes(body)
    assert found[1] == b"lo\0"
    assert int.from_bytes(found[2], "big", signed=True) == -300
    assert attributes(found[3]) == {4: b"deep"}


@pytest.mark.parametrize("size", range(0, 64, 3))
def test_damage_ends_the_reading(size: int):
    rng = Random(size)
    for _ in range(50):
        damaged = rng.randbytes(size)
        list(decoded(damaged))
        attributes(damaged)
    cut = encoded(Message(1, bytes(40)), 1)[: HEADER.size + size % 40]
    assert list(decoded(cut)) == []
