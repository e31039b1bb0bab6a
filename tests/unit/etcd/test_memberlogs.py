"""From a run's folder to what each member did: skipped entries are found, and nothing is believed without proof."""

import json
from random import Random

import msgspec
import pytest
import zstandard

from quorate.harness.core.system import NodeDump
from quorate.harness.systems.etcd.operations.entries import decoded
from quorate.harness.systems.etcd.operations.memberlogs import read_logs
from quorate.harness.systems.etcd.operations.skipped import Rules, replay
from quorate.harness.systems.etcd.operations.wal import Raw
from quorate.harness.systems.etcd.protocol import pb
from tests.unit.etcd import walmaking as made


def requests_of(rng, count):
    """Puts and deletions on keys that are in use for a while, as workloads have them."""
    found = []
    for number in range(count):
        key = f"/register/k{number // 25 * 3 + rng.randrange(3)}"
        found.append(made.delete(key) if rng.random() < 0.1 else made.put(key, number, member=1 + number % 3))
    return found


def keep_member(folder, name, number, requests, skips, restarts, *, dumped=True):
    """Write what a run keeps of a member that passed over the entries at the positions in `skips`."""
    node = folder / "nodes" / name
    (node / "wal").mkdir(parents=True)
    records = [(1, pb.Metadata(NodeID=number))]
    records += [made.entry(at, request) for at, request in enumerate(requests, 1)]
    content, _ = made.segment([*records, (3, pb.HardState(term=2, commit=len(requests)))])
    (node / "wal" / "0.wal.zst").write_bytes(zstandard.ZstdCompressor().compress(content))
    decodeds = [decoded(Raw(at, 2, 0, one.SerializeToString())) for at, one in enumerate(requests, 1)]
    rules = Rules(number, checks_ranges=False)
    lines = [start_line(0)]
    for second, position in enumerate(restarts, 1):
        # The store came back as it was before the entry that was passed over, or before one that was not.
        before = replay(decodeds[:position], rules, None, frozenset(skips)).contents["revision"]
        lines += [start_line(second), {"msg": "kvstore restored", "current-rev": before}]
        raft = f"commit: {position}, applied: 0, lastindex: {position + 3}, lastterm: 2]"
        lines.append({"msg": f"newRaft x [peers: [], term: 2, {raft}"})
    (node / "etcd.log").write_text("\n".join(json.dumps(line) for line in lines))
    if dumped:
        contents = replay(decodeds, rules, None, frozenset(skips)).contents
        dump = NodeDump(name, position=len(requests), contents=contents)
        (node / "state.json").write_bytes(msgspec.json.encode(dump))


def start_line(second):
    return {"msg": "starting an etcd server", "ts": f"2026-11-29T08:00:{second:02}Z", "etcd-version": "3.5.1"}


@pytest.mark.parametrize("seed", range(60))
def test_entries_that_were_passed_over_at_restarts_are_found(tmp_path, seed):
    rng = Random(seed)
    requests = requests_of(rng, 300)
    changing = [at for at, one in enumerate(requests) if one.HasField("put")]
    restarts = sorted(rng.sample(changing[20:], 5))
    skips = set(rng.sample(restarts, rng.randrange(4)))
    keep_member(tmp_path, "n1", 1, requests, skips, restarts)
    (log,) = read_logs(tmp_path, None)
    assert log.explained is True
    assert {one.index - 1 for one in log.skipped} == skips
    assert all(restarts[one.start - 1] == one.index - 1 for one in log.skipped)


def test_a_state_that_nothing_explains_is_not_explained_away(tmp_path):
    requests = requests_of(Random(1), 100)
    keep_member(tmp_path, "n1", 1, requests, {50}, [70])
    (log,) = read_logs(tmp_path, None)
    assert (log.explained, log.skipped) == (False, ())
    assert not any(entry.sure for entry in log.entries)


def test_without_a_state_nothing_was_compared(tmp_path):
    keep_member(tmp_path, "n1", 1, requests_of(Random(1), 10), set(), [], dumped=False)
    (log,) = read_logs(tmp_path, None)
    assert (log.explained, log.applied, log.complete, log.last) == (None, None, True, 10)


def test_a_damaged_log_says_so_and_the_others_are_read(tmp_path):
    for number, name in enumerate(("n1", "n2"), 1):
        keep_member(tmp_path, name, number, requests_of(Random(1), 10), set(), [])
    (tmp_path / "nodes/n1/wal/0.wal.zst").write_bytes(b"no zstandard")
    first, second = read_logs(tmp_path, None)
    assert "damaged" in first.notes[0]
    assert second.complete


def test_a_log_whose_beginning_was_purged_is_not_complete(tmp_path):
    node = tmp_path / "nodes" / "n1" / "wal"
    node.mkdir(parents=True)
    content, _ = made.segment([made.entry(at, made.put("/register/k", at)) for at in range(90, 99)])
    (node / "4.wal.zst").write_bytes(zstandard.ZstdCompressor().compress(content))
    (log,) = read_logs(tmp_path, None)
    assert (log.complete, log.first, log.last) == (False, 90, 98)
    assert "begins at entry 90" in log.notes[0]
    assert not any(entry.sure for entry in log.entries)
