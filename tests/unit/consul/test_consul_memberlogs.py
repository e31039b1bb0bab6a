"""Consul's raft logs: read as far as they are whole, replayed, and believed as far as states prove them."""

from random import Random

import msgspec
import pytest
import zstandard

from quorate.harness.core.system import NodeDump
from quorate.harness.systems.consul.operations import msgpack, raftlog
from quorate.harness.systems.consul.operations.entries import asked, said
from quorate.harness.systems.consul.operations.memberlogs import read_logs
from quorate.harness.systems.consul.operations.replaying import Store
from tests.unit.consul import raftmaking as made

K = "quorate/register/k"


def keep(folder, name, database, contents=None, position=0, **pictures):
    node = folder / "nodes" / name
    (node / "wal").mkdir(parents=True)
    for file, content in {"raft.db": database, **pictures}.items():
        (node / "wal" / f"{file}.zst").write_bytes(zstandard.ZstdCompressor().compress(content))
    if contents is not None:
        (node / "state.json").write_bytes(
            msgspec.json.encode(NodeDump(name, position=position, contents=contents))
        )


def log_of(tmp_path, entries, contents=None, **more):
    keep(tmp_path, "n1", made.database(entries), contents, len(entries), **more)
    (log,) = read_logs(tmp_path, None)
    return log


def test_what_the_log_gives_is_compared_with_the_state(tmp_path):
    entries = [
        made.entry(1, raft=1),
        made.entry(2, made.kv("set", K, b"1")),
        made.entry(3, made.txn(("set", K, b"2", {}), ("check-index", "other", b"", {"index": 1})), kind=8),
        made.entry(4, made.txn(("cas", K, b"3", {"index": 2}), ("set", "quorate/set/s/7", b"7", {})), kind=8),
        made.entry(5, made.kv("set", K, b"3")),
    ]
    state = {K: ["3", 2, 4, 0, 0, None], "quorate/set/s/7": ["7", 4, 4, 0, 0, None]}
    log = log_of(tmp_path, entries, state)
    assert (log.explained, log.complete, log.notes, log.term) == (True, True, (), 2)
    empty, _, refused, both, same = log.entries
    assert empty.action == "the empty entry of a new leader"
    assert (refused.refused, refused.revision) == ("its check-index of other did not hold", None)
    assert [(one.space, one.key, one.value) for one in both.asks] == [("register", "k", 3), ("set", "s", 7)]
    assert both.action == f"transaction: cas {K} = 3 at index 2, set quorate/set/s/7 = 7"
    assert (same.revision, same.refused) == (None, ""), "a write that changes nothing makes no index"
    state[K][0] = "4"
    assert not log_of(tmp_path / "other", entries, state).explained


@pytest.mark.parametrize("behavior", ["release", "delete"])
@pytest.mark.parametrize("ends", ["session", "node", "check"])
def test_a_session_that_ends_lets_go_of_its_locks(tmp_path, behavior, ends):
    end = {
        "session": made.entry(5, made.session("destroy", "s1"), kind=3),
        "node": made.entry(5, {"Node": "n1", "ServiceID": "", "CheckID": ""}, kind=1),
        "check": made.entry(
            5,
            {"Node": "n1", "Check": {"CheckID": "serfHealth", "Status": "critical"}, "Checks": None},
            kind=0,
        ),
    }[ends]
    entries = [
        made.entry(1, made.session("create", "s1", behavior=behavior), kind=3),
        made.entry(2, made.kv("lock", "quorate/lock/l", b"1", session="s1")),
        made.entry(3, made.kv("lock", "quorate/lock/l", b"2", session="s2")),
        made.entry(4, made.kv("unlock", "quorate/lock/l", b"2", session="s2")),
        end,
    ]
    state = {} if behavior == "delete" else {"quorate/lock/l": ["1", 2, 5, 1, 0, None]}
    log = log_of(tmp_path, entries, state)
    assert log.explained
    assert [entry.revision for entry in log.entries] == [None, 2, None, None, 5]
    assert log.entries[2].refused == "session s2 does not exist"
    assert log.entries[3].refused == "its condition did not hold"


def test_what_came_in_a_snapshot_is_replayed_from_it(tmp_path):
    record = bytes([2]) + made.packed({**made.dirent(K, b"9", index=30), "CreateIndex": 4})
    opened = bytes([3]) + made.packed(made.session("create", "s1")["Session"])
    picture = made.packed({"LastIndex": 40}) + record + opened + bytes(64)
    entries = [made.entry(at, made.kv("lock", K, str(at).encode(), session="s1")) for at in range(39, 44)]
    keep(
        tmp_path,
        "n1",
        made.database(entries, first=39),
        {K: ["43", 4, 43, 1, 0, "s1"]},
        43,
        **{"2-40-1.bin": picture},
    )
    keep(tmp_path, "n2", made.database(entries, first=39), {K: ["43", 4, 43, 1, 0, "s1"]}, 43)
    # One that is newer than the state is of no use.
    late = {"2-60-1.bin": made.packed({"LastIndex": 60}), "2-40-1.bin": picture}
    keep(
        tmp_path / "late", "n1", made.database(entries, first=39), {K: ["43", 4, 43, 1, 0, "s1"]}, 43, **late
    )
    assert read_logs(tmp_path / "late", None)[0].explained
    restored, unknown = read_logs(tmp_path, None)
    assert (restored.explained, restored.complete, restored.snapshot) == (True, False, 40)
    assert [entry.replayed for entry in restored.entries] == [False, False, True, True, True]
    assert (unknown.explained, unknown.complete) == (None, False)
    assert not any(entry.sure or entry.replayed for entry in unknown.entries)


@pytest.mark.parametrize("seed", range(60))
def test_bytes_of_any_kind_are_no_error_and_end_the_log(seed):
    rng = Random(seed)
    entries = [made.entry(at, made.kv("set", f"{K}{at % 3}", str(at).encode())) for at in range(1, 30)]
    content = made.database(entries)
    whole = raftlog.read(content).entries
    assert len(whole) == 29
    for _ in range(40):
        spoilt = bytearray(content)
        for _ in range(rng.choice([1, 1, 3])):
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
        log = raftlog.read(bytes(spoilt[: rng.choice([len(spoilt), rng.randrange(len(spoilt))])]))
        indexes = [raw.index for raw in log.entries]
        assert indexes == list(range(indexes[0], indexes[-1] + 1) if indexes else [])
        store = Store()
        for raw in log.entries:
            store.apply(raw)
            assert said(raw)
            asked(raw)


@pytest.mark.parametrize("seed", range(20))
def test_msgpack_goes_nowhere_beyond_its_end(seed):
    rng = Random(seed)
    for _ in range(200):
        content = rng.randbytes(rng.randrange(1, 60))
        try:
            _, end = msgpack.read(content)
        except msgpack.MsgpackError:
            continue
        assert end <= len(content)
    with pytest.raises(msgpack.MsgpackError, match="deeply"):
        msgpack.read(b"\x91" * 100)
    value = {"a": [1, 200, None, True, b"x" * 40], "b": {"c": b""}}
    assert msgpack.read(made.packed(value))[0] == value
