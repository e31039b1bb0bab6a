"""What applying entries does: revisions, refusals, and what the log alone does not decide."""

from quorate.harness.systems.etcd.operations.entries import change_of, decoded
from quorate.harness.systems.etcd.operations.replay import Store
from quorate.harness.systems.etcd.operations.wal import Raw
from quorate.harness.systems.etcd.protocol import pb
from tests.unit.etcd import walmaking as made


def run(requests, member=1, *, checks_ranges=False):
    store = Store(member, checks_ranges=checks_ranges)
    return store, [
        store.apply(decoded(Raw(at, 2, 0, request.SerializeToString())))
        for at, request in enumerate(requests, 1)
    ]


def test_only_what_changes_something_makes_a_revision():
    store, done = run([made.put("a", 1), made.delete("b"), made.delete("a"), made.put("a", 2)])
    assert [effect.revision for effect in done] == [2, None, 3, 4]
    cell = store.cells[b"a"]
    assert (cell.create, cell.mod, cell.version, cell.value) == (4, 4, 1, b"2")


def test_a_transaction_takes_the_branch_that_its_compares_choose():
    is_one = pb.Compare(key=b"a", target=pb.Compare.VALUE, result=pb.Compare.EQUAL, value=b"1")
    swap = made.txn([made.put_op("a", 2)], [is_one], [range_none()])
    store, done = run([swap, made.put("a", 1), swap, swap])
    assert [effect.revision for effect in done] == [None, 2, 3, None]
    assert store.cells[b"a"].value == b"2"


def range_none():
    return pb.RequestOp(request_range=pb.RangeRequest(key=b"a"))


def test_a_compare_over_a_range_holds_of_every_key_and_of_none():
    positive = pb.Compare(key=b"p", range_end=b"q", target=pb.Compare.VERSION, result=pb.Compare.GREATER)
    again = made.txn([made.put_op("p2", 1)], [positive])
    _, done = run([again, made.put("p1", 1), again])
    assert [effect.revision for effect in done] == [None, 2, 3]


def test_a_lease_that_ends_deletes_its_keys_in_one_revision():
    grant = pb.InternalRaftRequest(header=made.header(1, 1), lease_grant=pb.LeaseGrantRequest(ID=5, TTL=10))
    revoke = pb.InternalRaftRequest(header=made.header(1, 2), lease_revoke=pb.LeaseRevokeRequest(ID=5))
    store, done = run(
        [grant, made.put("a", 1, lease=5), made.put("b", 1, lease=5), revoke, made.put("c", 1, lease=5)]
    )
    assert [effect.revision for effect in done] == [None, 2, 3, 4, None]
    assert not store.cells
    assert "lease 5 does not exist" in done[-1].refused


def test_a_range_at_a_compacted_revision_parts_the_members_before_3_7():
    """etcd #18667."""
    requests = [made.put("a", 1), made.put("a", 2), made.compact(3)]
    looks = made.txn([made.put_op("a", 3), made.range_op("a", 1)], member=1)
    own, others = run([*requests, looks], member=1)[1][-1], run([*requests, looks], member=2)[1][-1]
    assert own.revision is None
    assert "below the compacted revision 3" in own.refused
    assert others.revision == 4
    assert not own.sure
    assert not others.sure
    fixed = run([*requests, looks], member=2, checks_ranges=True)[1][-1]
    assert (fixed.revision, fixed.sure) == (None, True)


def test_nothing_is_sure_once_the_configuration_decides_too():
    alarm = pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, alarm=1)
    raised = pb.InternalRaftRequest(header=made.header(1, 1), alarm=alarm)
    asked = pb.InternalRaftRequest(
        header=made.header(1, 1), alarm=pb.AlarmRequest(action=pb.AlarmRequest.GET)
    )
    _, done = run([asked, made.put("a", 1), raised, made.put("a", 2)])
    assert [effect.sure for effect in done] == [True, True, True, False]


def test_keys_are_told_in_the_words_of_their_clients():
    found = [change_of(key, value) for key, value in (
        (b"/register/k3", b"7"), (b"/revisions/revisions/k1", b"2"), (b"/set/s1/5", b"5"),
        (b"/queue/q1/c1-3", b"9"), (b"/txn/x", b"[1,2]"), (b"odd", b"\xff"), (b"/register/k3", None),
    )]  # fmt: skip
    assert [(one.key, one.value) for one in found] == [
        ("k3", 7), ("k1", 2), ("s1", 5), ("q1", 9), ("x", [1, 2]), ("odd", "\\xff"), ("k3", None),
    ]  # fmt: skip
