"""ZooKeeper's transaction logs: read as far as they are whole, replayed, believed as far as states prove them."""

from random import Random

import msgspec
import pytest
import zstandard

from quorate.harness.core.system import NodeDump
from quorate.harness.systems.zookeeper.operations import snapshots, txnlog
from quorate.harness.systems.zookeeper.operations.jute import JuteError
from quorate.harness.systems.zookeeper.operations.memberlogs import read_logs
from quorate.harness.systems.zookeeper.operations.transactions import decoded
from quorate.harness.systems.zookeeper.operations.tree import Tree
from tests.unit.zookeeper import logmaking as made

PARENTS = (
    made.create("/quorate"),
    made.create("/quorate/register"),
    made.create("/quorate/register/k", b"0"),
)


def puts(count, start=1):
    return [made.put("/quorate/register/k", str(at).encode(), at) for at in range(start, start + count)]


def keep(folder, name, files, dump=None):
    node = folder / "nodes" / name
    (node / "wal").mkdir(parents=True)
    for one, content in files.items():
        (node / "wal" / f"{one}.zst").write_bytes(zstandard.ZstdCompressor().compress(content))
    if dump is not None:
        (node / "state.json").write_bytes(msgspec.json.encode(dump))


def state(name, tree, zxid):
    local = {"/zookeeper/quota": ["its own", 0, 0, 0, 3, 0, 0]}
    return NodeDump(name, position=zxid, contents={**tree.dumped(), **local})


def name_of(raws):
    return f"log.{raws[0].zxid:x}"


def test_what_the_log_gives_is_compared_with_the_state(tmp_path):
    leader = made.Leader()
    raws = leader.log(made.session(), *PARENTS, *puts(5), made.error())
    for name in ("n1", "n2"):
        keep(tmp_path, name, {name_of(raws): made.file(raws)}, state(name, leader.tree, leader.zxid))
    logs = read_logs(tmp_path, None)
    assert [(log.explained, log.complete, log.applied, log.notes) for log in logs] == [
        (True, True, leader.zxid, ())
    ] * 2
    last = logs[0].entries[-2]
    assert (last.action, last.asks[0].space, last.asks[0].key, last.asks[0].value) == (
        "set /quorate/register/k = 5", "register", "k", 5,
    )  # fmt: skip
    assert last.revision == last.index
    refused = logs[0].entries[-1]
    assert (refused.refused, refused.revision, refused.asks) == ("the node does not exist", None, ())
    assert logs[0].says(last.index) == "0x100000009"


def test_another_state_is_not_explained(tmp_path):
    leader = made.Leader()
    raws = leader.log(*PARENTS, *puts(5))
    dump = state("n1", leader.tree, leader.zxid)
    dump.contents["/quorate/register/k"] = ["9", 1, 2, 3, 4, 0, 0]
    keep(tmp_path, "n1", {name_of(raws): made.file(raws)}, dump)
    (log,) = read_logs(tmp_path, None)
    assert log.explained is False
    assert not any(entry.sure for entry in log.entries)


@pytest.mark.parametrize("seed", range(40))
def test_a_transaction_that_was_never_applied_is_found(tmp_path, seed):
    rng = Random(seed)
    leader = made.Leader()
    keys = [f"/quorate/register/e{number}" for number in range(12)]
    raws = leader.log(*PARENTS, *(made.create(key, b"1", ephemeral=True) for key in keys), *puts(20))
    raws += leader.log(made.close(*keys)) + leader.log(*puts(3, 21))
    lost = rng.choice(range(len(PARENTS) + len(keys), len(raws) - 1))
    lost = len(raws) - 4 if seed % 2 else lost  # the closing of the session, as of ZOOKEEPER-4541
    tree = Tree()
    for at, raw in enumerate(raws):
        if at != lost:
            tree.apply(decoded(raw))
    keep(tmp_path, "n1", {name_of(raws): made.file(raws)}, state("n1", tree, leader.zxid))
    (log,) = read_logs(tmp_path, None)
    whole = tree.dumped() == leader.tree.dumped()
    assert log.explained is True
    assert [one.index for one in log.skipped] == ([] if whole else [raws[lost].zxid])


def test_a_wrong_digest_makes_nothing_sure(tmp_path):
    leader = made.Leader()
    raws = leader.log(*PARENTS)
    leader.tree.digest += 1  # as of a leader whose tree is another
    raws += leader.log(*puts(3))
    keep(tmp_path, "n1", {name_of(raws): made.file(raws)})
    (log,) = read_logs(tmp_path, None)
    assert "digest" in log.notes[0]
    assert not any(entry.sure for entry in log.entries)


def test_releases_before_3_6_write_no_digests(tmp_path):
    leader = made.Leader(digests=False)
    raws = leader.log(*PARENTS, made.create("/quorate/e", b"", ephemeral=True), (-11, b""))
    keep(tmp_path, "n1", {name_of(raws): made.file(raws)}, state("n1", leader.tree, leader.zxid))
    (log,) = read_logs(tmp_path, None)
    assert log.explained is True
    assert "/quorate/e" not in leader.tree.dumped()


def test_a_multi_is_done_whole_or_refused(tmp_path):
    leader = made.Leader()
    raws = leader.log(*PARENTS)
    raws += leader.log(made.multi(made.put("/quorate/register/k", b"1", 1), made.create("/quorate/m", b"2")))
    raws += leader.log(made.multi(made.error(0), made.error(-110), made.error(-2)))
    keep(tmp_path, "n1", {name_of(raws): made.file(raws)}, state("n1", leader.tree, leader.zxid))
    (log,) = read_logs(tmp_path, None)
    done, refused = log.entries[-2:]
    assert done.action == "multi: set /quorate/register/k = 1, create /quorate/m = 2"
    assert (refused.refused, refused.revision) == ("the node exists", None)
    assert log.explained is True


def test_what_came_in_a_snapshot_is_replayed_from_it(tmp_path):
    leader = made.Leader()
    before = leader.log(*PARENTS, *puts(4))
    lacking = leader.log(*puts(6, 5))
    picture = made.snapshot(leader.tree)
    taken = leader.zxid
    after = leader.log(*puts(3, 11))
    everything = [*before, *lacking, *after]
    files = {
        name_of(before): made.file(before),
        name_of(after): made.file(after),
        f"snapshot.{taken:x}": picture,
    }
    keep(tmp_path, "n1", {name_of(before): made.file(everything)}, state("n1", leader.tree, leader.zxid))
    keep(tmp_path, "n2", files, state("n2", leader.tree, leader.zxid))
    del files[f"snapshot.{taken:x}"]
    keep(tmp_path, "n3", files, state("n3", leader.tree, leader.zxid))
    whole, restored, unknown = read_logs(tmp_path, None)
    assert (whole.complete, whole.explained) == (True, True)
    assert (restored.complete, restored.explained) == (False, True)
    assert restored.notes == (
        f"its log lacks 6 transactions before 0x{after[0].zxid:x}: it got them in a snapshot",
    )
    assert (unknown.complete, unknown.explained) == (False, None)
    assert [entry.sure for entry in unknown.entries] == [True] * len(before) + [False] * len(after)


def test_logs_that_were_not_kept_are_a_gap(tmp_path):
    leader = made.Leader()
    leader.log(*PARENTS, *puts(4))
    leader.zxid = 2 << 32
    after = leader.log(*puts(3, 5))
    for name in ("n1", "n2"):
        keep(tmp_path, name, {name_of(after): made.file(after)}, state(name, leader.tree, leader.zxid))
        (tmp_path / "nodes" / name / "wal" / "left-out.txt").write_text("3\n")
    logs = read_logs(tmp_path, None)
    assert [(log.complete, log.explained) for log in logs] == [(False, None)] * 2


def test_what_is_missing_at_the_end_of_an_epoch_is_seen_in_the_others_logs(tmp_path):
    first = made.Leader()
    old = first.log(*PARENTS, *puts(4))
    first.zxid = 2 << 32
    new = first.log(*puts(4, 5))
    keep(
        tmp_path,
        "n1",
        {name_of(old): made.file(old), name_of(new): made.file(new)},
        state("n1", first.tree, first.zxid),
    )
    keep(tmp_path, "n2", {name_of(old): made.file(old[:-1]), name_of(new): made.file(new)})
    whole, lacking = read_logs(tmp_path, None)
    assert whole.complete
    assert not lacking.complete
    assert "lacks 1 transactions" in lacking.notes[0]


def test_a_torn_or_damaged_file_costs_only_what_follows():
    leader = made.Leader()
    raws = leader.log(made.session(), *PARENTS, *puts(6))
    content = made.file(raws)
    used = len(content) - 4096
    for at in range(3, used, 5):
        cut = txnlog.read({name_of(raws): content[:at]})
        assert list(cut.entries) == raws[: len(cut.entries)]
        flipped = bytearray(content)
        flipped[at] ^= 0x10
        damaged = txnlog.read({name_of(raws): bytes(flipped)})
        assert list(damaged.entries) == raws[: len(damaged.entries)], (
            "what is behind a damage is never believed"
        )
        assert damaged.damage or len(damaged.entries) == len(raws)


def test_a_start_after_a_torn_file_begins_another():
    leader = made.Leader()
    first, second = leader.log(*PARENTS), leader.log(*puts(3))
    torn = made.file([*first, second[0]], zeros=0)[:-3]
    log = txnlog.read({name_of(first): torn, name_of(second): made.file(second)})
    assert list(log.entries) == [*first, *second]
    assert len(log.damage) == 1


@pytest.mark.parametrize("seed", range(20))
def test_bytes_of_any_kind_are_no_error(seed):
    rng = Random(seed)
    leader = made.Leader()
    raws = leader.log(
        *PARENTS, *puts(3), made.close("/a", "/b"), made.multi(made.delete("/quorate/register/k"))
    )
    picture = made.snapshot(leader.tree)
    for raw in raws:
        for _ in range(20):
            body = bytearray(raw.body)
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
            decoded(msgspec.structs.replace(raw, body=bytes(body[: rng.randrange(len(body) + 1)])))
    for _ in range(100):
        spoilt = bytearray(picture)
        spoilt[rng.randrange(len(spoilt) - 5)] ^= 1 << rng.randrange(8)
        with pytest.raises(JuteError):
            snapshots.read(bytes(spoilt))
