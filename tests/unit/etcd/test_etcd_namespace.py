"""Keys below a prefix: every key of every request, and back."""

from __future__ import annotations

import pytest

from quorate.harness.systems.etcd.client.namespace import Namespace
from quorate.harness.systems.etcd.protocol import pb

SPACE = Namespace("/q/")


def test_ranges_stay_within():
    one = SPACE.into("Range", pb.RangeRequest(key=b"a"))
    assert (one.key, one.range_end) == (b"/q/a", b"")
    some = SPACE.into("Range", pb.RangeRequest(key=b"a", range_end=b"b"))
    assert (some.key, some.range_end) == (b"/q/a", b"/q/b")
    for start in (b"", b"\0"):
        every = SPACE.into("DeleteRange", pb.DeleteRangeRequest(key=start, range_end=b"\0"))
        assert every.key.startswith(b"/q/")
        assert every.range_end == b"/q0"


def test_the_request_itself_is_left_alone():
    request = pb.PutRequest(key=b"a", value=b"1")
    assert SPACE.into("Put", request).key == b"/q/a"
    assert request.key == b"a"


def test_transactions_all_the_way_down():
    put = pb.RequestOp(request_put=pb.PutRequest(key=b"b"))
    inner = pb.TxnRequest(compare=[pb.Compare(key=b"a")], success=[put], failure=[put])
    outer = pb.TxnRequest(
        compare=[pb.Compare(key=b"c", range_end=b"\0")],
        success=[pb.RequestOp(request_txn=inner), pb.RequestOp(request_range=pb.RangeRequest(key=b"d"))],
        failure=[pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=b"e", range_end=b"f"))],
    )
    sent = SPACE.into("Txn", outer)
    assert (sent.compare[0].key, sent.compare[0].range_end) == (b"/q/c", b"/q0")
    nested = sent.success[0].request_txn
    assert nested.compare[0].key == b"/q/a"
    assert nested.success[0].request_put.key == nested.failure[0].request_put.key == b"/q/b"
    assert sent.success[1].request_range.key == b"/q/d"
    assert sent.failure[0].request_delete_range.range_end == b"/q/f"


def test_answers_come_without_it():
    found = pb.RangeResponse(kvs=[pb.KeyValue(key=b"/q/a")])
    answer = pb.TxnResponse(
        responses=[
            pb.ResponseOp(response_range=found),
            pb.ResponseOp(response_put=pb.PutResponse(prev_kv=pb.KeyValue(key=b"/q/b"))),
            pb.ResponseOp(response_delete_range=pb.DeleteRangeResponse(prev_kvs=[pb.KeyValue(key=b"/q/c")])),
            pb.ResponseOp(response_txn=pb.TxnResponse(responses=[pb.ResponseOp(response_range=found)])),
        ]
    )
    first, second, third, fourth = SPACE.out_of("Txn", answer).responses
    assert first.response_range.kvs[0].key == b"a"
    assert second.response_put.prev_kv.key == b"b"
    assert third.response_delete_range.prev_kvs[0].key == b"c"
    assert fourth.response_txn.responses[0].response_range.kvs[0].key == b"a"


def test_locks_and_elections_come_round():
    assert SPACE.into("Lock", pb.LockRequest(name=b"l")).name == b"/q/l"
    key = SPACE.out_of("Lock", pb.LockResponse(key=b"/q/l/1")).key
    assert SPACE.into("Unlock", pb.UnlockRequest(key=key)).key == b"/q/l/1"
    won = pb.CampaignResponse(leader=pb.LeaderKey(name=b"/q/e", key=b"/q/e/1", rev=3))
    leader = SPACE.out_of("Campaign", won).leader
    assert (leader.name, leader.key) == (b"e", b"e/1")
    again = SPACE.into("Proclaim", pb.ProclaimRequest(leader=leader, value=b"v")).leader
    assert (again.name, again.key, again.rev) == (b"/q/e", b"/q/e/1", 3)


def test_what_is_not_of_keys_passes_and_the_rest_is_refused():
    grant = pb.LeaseGrantRequest(TTL=3)
    assert SPACE.into("LeaseGrant", grant) is grant
    for method in ("Compact", "MemberList", "Defragment", "Snapshot"):
        with pytest.raises(KeyError):
            SPACE.into(method, object())
