"""Bad networks: fates of packets, the kernel's messages, and the rules, without a kernel."""

from __future__ import annotations

import struct
from collections import Counter
from random import Random

import pytest

from quorate.harness.cluster.netlink import attribute
from quorate.harness.core.fault import make
from quorate.harness.core.test import UsageError
from quorate.nemesis.packet.behaviour import Behaviour, decide, flip_bit
from quorate.nemesis.packet.fault import _unseen, _wrong
from quorate.nemesis.packet.netlink import message, packets

ALL = Behaviour(delay_ms=10, jitter_ms=5, loss=0.1, duplicate=0.2, reorder=0.3, corrupt=0.05)


def test_fates_come_as_often_as_asked():
    rng, count, seen = Random(1), 20_000, Counter[str]()
    for _ in range(count):
        fate = decide(ALL, rng)
        seen["lost"] += fate.lost
        seen["duplicated"] += fate.duplicated
        seen["corrupted"] += fate.corrupted
        seen["overtaking"] += not fate.lost and fate.delay_s == 0
        assert fate.delay_s == 0 or 0.005 <= fate.delay_s <= 0.015
    for name, share in (("lost", 0.1), ("duplicated", 0.18), ("corrupted", 0.045), ("overtaking", 0.27)):
        assert abs(seen[name] / count - share) < 0.015


def test_nothing_happens_where_nothing_is_asked():
    assert decide(Behaviour(), Random(1)).delay_s == 0
    assert not Behaviour(delay_ms=5).needs_payload
    assert ALL.needs_payload
    assert ALL.longest_s == 0.015


def test_a_delay_grows_to_what_it_is():
    ramp = Behaviour(delay_ms=100, ramp_s=4)
    delays = [decide(ramp, Random(1), age_s).delay_s for age_s in (0, 1, 2, 4, 60)]
    assert delays == [0, 0.025, 0.05, 0.1, 0.1]
    assert decide(ramp, Random(1)).delay_s == 0.1
    assert "grown to within 4 s" in ramp.in_words()


@pytest.mark.parametrize(
    ("behaviour", "copies", "delays", "fine"),
    [
        (Behaviour(duplicate=0.2), 25, [1.0] * 150, True),
        (Behaviour(duplicate=0.2), 0, [1.0] * 150, False),
        (Behaviour(duplicate=0.01), 0, [1.0] * 150, True),  # too rare to be bound to come
        (Behaviour(delay_ms=50, reorder=0.2), 0, [50.0] * 120 + [0.5] * 30, True),
        (Behaviour(delay_ms=50, reorder=0.2), 0, [50.0] * 150, False),
    ],
)
def test_what_was_bound_to_be_seen_and_was_not_is_told(behaviour, copies, delays, fine):
    assert (not _unseen(behaviour, 150, copies, delays)) == fine


@pytest.mark.parametrize(
    ("mode", "only"),
    [("doubled", "duplicate"), ("overtaking", "reorder"), ("damaged", "corrupt"), ("ramp", "ramp_s")],
)
def test_a_single_trouble_comes_alone(mode, only):
    fault = make("packet", {"packet.mode": mode})
    for seed in range(20):
        behaviour = fault._decide(mode, Random(seed))
        assert getattr(behaviour, only) > 0
        others = {"loss", "duplicate", "reorder", "corrupt", "ramp_s"} - {only}
        assert not any(getattr(behaviour, name) for name in others)
    assert fault._decide(mode, Random(1)) == fault._decide(mode, Random(1))


@pytest.mark.parametrize("size", [1, 20, 40, 41, 1500])
def test_one_bit_is_flipped_behind_the_headers(size: int):
    packet = bytes(size)
    for seed in range(50):
        damaged = flip_bit(packet, Random(seed))
        assert len(damaged) == size
        (at,) = [at for at in range(size) if damaged[at]]
        assert damaged[at].bit_count() == 1
        assert at >= min(40, size - 1)


def test_a_packet_is_read_as_the_kernel_writes_it():
    body = attribute(1, struct.pack(">IHBB", 77, 0x800, 0, 0)) + attribute(10, b"payload")
    one = message(0, 5, body)
    one += b"\0" * (-len(one) % 4)
    assert list(packets(one + message(0, 5, attribute(1, struct.pack(">IHBB", 78, 0, 0, 0))))) == [
        (77, b"payload"),
        (78, b""),
    ]


@pytest.mark.parametrize("size", range(0, 60, 3))
def test_a_damaged_message_ends_the_reading(size: int):
    rng = Random(size)
    for _ in range(50):
        list(packets(rng.randbytes(size)))


@pytest.mark.parametrize(
    ("behaviour", "sent", "lost", "delays", "fine"),
    [
        (Behaviour(loss=0.3), 200, 60, [1.0], True),
        (Behaviour(loss=0.3), 200, 0, [1.0], False),
        (Behaviour(loss=0.3), 200, 150, [1.0], False),
        (Behaviour(delay_ms=50, jitter_ms=10), 40, 0, [41.0] * 40, True),
        (Behaviour(delay_ms=50, jitter_ms=10), 40, 0, [1.0] * 40, False),
        (Behaviour(delay_ms=50, jitter_ms=10), 40, 0, [41.0] * 39 + [1.0], False),
        (Behaviour(delay_ms=50), 40, 40, [], False),
        (Behaviour(delay_ms=50, reorder=0.2), 40, 0, [50.0] * 32 + [1.0] * 8, True),
        (Behaviour(delay_ms=50, reorder=0.2), 40, 0, [1.0] * 40, False),
    ],
)
def test_measured_against_planned(
    behaviour: Behaviour, sent: int, lost: int, delays: list[float], *, fine: bool
):
    assert (not _wrong(behaviour, sent, lost, delays)) == fine


@pytest.mark.parametrize(
    "given",
    [{"packet.mode": "slowly"}, {"packet.loss": "2"}, {"packet.loss": "much"}, {"packet.delay": "50"}],
)
def test_settings_that_make_no_sense(given: dict[str, str]):
    with pytest.raises(UsageError):
        make("packet", given)
