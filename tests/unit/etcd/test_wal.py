"""The reader of etcd's write-ahead log: frames, checksums, torn tails, replaced entries."""

import pytest

from quorate.harness.systems.etcd.operations.wal import crc32c, read
from quorate.harness.systems.etcd.protocol import pb
from tests.unit.etcd import walmaking as made

META = (1, pb.Metadata(NodeID=0xAD2B12CFEC4A5D1B, ClusterID=7))


def test_the_checksum_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"6789", crc32c(b"12345")) == 0xE3069283


def test_a_log_of_two_segments_is_read_in_order():
    first, crc = made.segment([META, made.entry(1), made.entry(2, made.put("/register/k", 1))])
    second, _ = made.segment([META, made.entry(3), (3, pb.HardState(term=2, commit=2))], crc)
    log = read({"1.wal": second, "0.wal": first})
    assert [entry.index for entry in log.entries] == [1, 2, 3]
    assert (log.term, log.commit, log.damage, log.member) == (2, 2, "", 0xAD2B12CFEC4A5D1B)


def test_a_segment_that_does_not_follow_is_reported():
    first, crc = made.segment([META, made.entry(1)])
    second, _ = made.segment([META, made.entry(2)], crc + 1)
    log = read({"0.wal": first, "1.wal": second})
    assert [entry.index for entry in log.entries] == [1]
    assert log.damage.startswith("1.wal: it does not follow")


def test_a_new_leader_replaces_entries():
    content, _ = made.segment([made.entry(at, term=1) for at in (1, 2, 3)] + [made.entry(2, term=2)])
    log = read({"0.wal": content})
    assert [(entry.index, entry.term) for entry in log.entries] == [(1, 1), (2, 2)]
    assert log.replaced == 2


@pytest.mark.parametrize("at", range(3, 400, 7))
def test_a_torn_or_damaged_tail_costs_only_what_follows(at):
    content, _ = made.segment([META] + [made.entry(n, made.put("/register/k", n)) for n in range(1, 8)])
    whole = read({"0.wal": content}).entries
    used = content.rstrip(b"\0")
    cut = read({"0.wal": used[: min(at, len(used))]})
    assert cut.entries == whole[: len(cut.entries)]
    flipped = bytearray(content)
    flipped[min(at, len(used) - 1)] ^= 0x10
    damaged = read({"0.wal": bytes(flipped)})
    if damaged.entries != whole:
        assert damaged.entries == whole[: len(damaged.entries)], "what is behind a damage is never believed"


def test_what_is_no_log_is_damage_and_no_error():
    assert read({"0.wal": b"\xff" * 100}).damage
    assert read({"0.wal": b""}).entries == ()
    assert read({}).entries == ()
