"""The outcome table, a test a row against real servers."""

# ruff: noqa: ASYNC110 - tests ask servers until they have changed

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import OutcomeError, Refused, Unknown
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.etcd.client.client import EtcdClient
from quorate.harness.systems.etcd.client.connection import Connection
from quorate.harness.systems.etcd.client.outcomes import TABLE, outcome_of
from quorate.harness.systems.etcd.protocol import pb
from tests.cluster.servers import outcome

KEY = b"/outcomes"
MEGABYTE = 1_000_000


def put(value: bytes = b"1", key: bytes = KEY, **more: Any) -> Any:
    return pb.PutRequest(key=key, value=value, **more)


def refusal(code: str, method: str, request: Any) -> Any:
    return pytest.param(code, method, request, id=f"{code}-{method}")


def txn_of(*puts: Any) -> Any:
    return pb.TxnRequest(success=[pb.RequestOp(request_put=each) for each in puts])


@contextlib.asynccontextmanager
async def client_of(servers, *nodes, timeout_s=2.0) -> AsyncIterator[EtcdClient]:
    client = await servers.client(*nodes, timeout_s=timeout_s)
    await client.read("warm")
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("code", "method", "request_"),
    [
        refusal("compacted", "Range", pb.RangeRequest(key=KEY, revision=1)),
        refusal("compacted", "Compact", pb.CompactionRequest(revision=2)),
        refusal("future-revision", "Range", pb.RangeRequest(key=KEY, revision=1 << 40)),
        refusal("future-revision", "Compact", pb.CompactionRequest(revision=1 << 40)),
        refusal("out-of-range", "LeaseGrant", pb.LeaseGrantRequest(TTL=10**10)),
        refusal("lease-not-found", "Put", put(lease=77)),
        refusal("lease-not-found", "LeaseRevoke", pb.LeaseRevokeRequest(ID=77)),
        refusal("not-found", "MemberRemove", pb.MemberRemoveRequest(ID=77)),
        refusal("invalid", "Txn", txn_of(put(), put())),
        refusal("invalid", "Put", put(key=b"")),
        refusal("too-large", "Put", put(b"1" * (3 * MEGABYTE // 2 + 100_000))),
        refusal("too-large", "Put", put(b"1" * 3 * MEGABYTE)),
        refusal("precondition", "MoveLeader", pb.MoveLeaderRequest(targetID=77)),
    ],
)
def test_what_is_refused_certainly_did_not_happen(run, servers, code, method, request_):
    async def body():
        node = await servers.follower()
        async with client_of(servers, node) as client:
            await client.call("Put", put(b"before"))
            head = (await client.call("Put", put(b"before"))).header.revision
            with contextlib.suppress(Refused):  # another case may have compacted it
                await client.call("Compact", pb.CompactionRequest(revision=head))
            refused = await outcome(client.call(method, request_))
            assert isinstance(refused, Refused)
            assert refused.code == code
            after = await client.call("Range", pb.RangeRequest(key=KEY))
            assert (after.kvs[0].value, after.header.revision) == (b"before", head)

    run(body())


def test_what_could_not_be_given_back_is_held_still(run, servers):
    """A release that was never sent changes nothing: the next one gives the lock back, and none had it meanwhile."""

    async def body():
        node = await servers.follower()
        async with client_of(servers, node, timeout_s=5.0) as client:
            lock = await client.acquire("kept")
            term = await client.campaign("kept", "me")
            await node.signal("etcd", signal.SIGKILL)
            while await node.state("etcd") is not ProcessState.DEAD:
                await asyncio.sleep(0.01)
            await asyncio.sleep(
                0.1
            )  # until the client has seen its connection end: what it sends before is unknown
            try:
                for call in (client.release, client.release, client.resign, client.resign):
                    refused = await outcome(call("kept"))
                    assert (type(refused), refused.code) == (Refused, "not-connected")
            finally:
                await servers.restart(node)
            async with asyncio.timeout(10):  # gRPC waits a little longer after each attempt to connect
                while True:
                    with contextlib.suppress(Refused):
                        await client.release("kept")
                        break
                    await asyncio.sleep(0.1)
            assert (await client.acquire("kept")).value > lock.value
            assert (await client.proclaim("kept", "me again")).value == term.value
            await client.resign("kept")

    run(body())


def test_a_frozen_server_leaves_a_write_unknown_but_refuses_who_is_not_connected(run, servers):
    async def body():
        node = await servers.follower()
        async with client_of(servers, node, timeout_s=0.5) as client:
            await node.signal("etcd", signal.SIGSTOP)
            unknown = await outcome(client.write("frozen", 1))
            assert isinstance(unknown, Unknown)
            assert unknown.code == "timeout"
            fresh = await servers.client(node, timeout_s=0.5)
            refused = await outcome(fresh.write("frozen", 2))
            assert isinstance(refused, Refused)
            assert refused.code == "not-connected"
            await fresh.close()
        await servers.heal()

    run(body())


def test_a_write_that_timed_out_may_take_effect_later(run, servers):
    async def body():
        leader, follower = await servers.leader(), await servers.follower()
        async with client_of(servers, follower, timeout_s=0.3) as client:
            await leader.signal("etcd", signal.SIGSTOP)
            unknown = await outcome(client.write("late", "it did"))
            await leader.signal("etcd", signal.SIGCONT)  # before anybody else was elected
            assert isinstance(unknown, Unknown)
            await servers.ready()
            assert (await client.read("late")).value == "it did"

    run(body())


def test_behind_a_partition_nothing_is_certain_until_the_server_says_no_leader(run, servers):
    async def body():
        node = await servers.follower()
        async with (
            client_of(servers, node, timeout_s=15) as writer,
            client_of(servers, node, timeout_s=15) as reader,
            client_of(servers, node, timeout_s=30) as asker,
            client_of(servers, node, timeout_s=0.5) as hasty,
        ):
            await servers.cut_off(node)
            try:
                seen = await asyncio.gather(
                    outcome(hasty.write("k", 1)),
                    outcome(writer.write("k", 2)),
                    outcome(reader.read("k")),
                    outcome(asker.call("LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=5))),
                )
                leader_wanted = (("hasleader", "true"),)
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await writer.connection().stubs.Put(put(), timeout=2, metadata=leader_wanted)
            finally:
                await servers.heal()
        codes = [each.code for each in seen]
        assert [type(each) for each in seen] == [Unknown, Unknown, Unknown, Refused]
        # Who notices first that the time is over is a race: the server knows the client's deadline too, and ends the
        # stream of a call that is over, which the client sees as cancelled.
        assert codes[0] in {"timeout", "cancelled", "server-timeout"}
        assert codes[1] in {"timeout", "server-timeout"}
        assert codes[2:] == ["server-timeout", "no-leader"]
        required, row = outcome_of(caught.value)
        assert isinstance(required, Refused)
        assert row.code == "no-leader"

    run(body())


def test_a_leader_cut_off_with_a_proposal_leaves_it_unknown(run, servers):
    async def body():
        leader = await servers.leader()
        other = next(node for node in servers.nodes if node is not leader)
        async with (
            client_of(servers, leader, timeout_s=15) as writer,
            client_of(servers, leader, timeout_s=15) as reader,
            client_of(servers, other) as witness,
        ):
            await writer.write("deposed", 0)
            await servers.cut_off(leader)
            try:
                seen = await asyncio.gather(
                    outcome(writer.write("deposed", 1)), outcome(reader.read("deposed"))
                )
            finally:
                await servers.heal()
            assert [type(each) for each in seen] == [Unknown, Unknown]
            assert {each.code for each in seen} <= {"server-timeout", "leader-changed"}
            assert (await witness.read("deposed")).value in {0, 1}

    run(body())


def test_a_leader_that_hands_over_refuses_and_has_not_written(run, servers):
    """To a member that is frozen: so that lasts until the leader gives it up, after an election's time."""

    async def body():
        leader, frozen = await servers.leader(), await servers.follower()
        async with (
            client_of(servers, leader, timeout_s=5) as client,
            client_of(servers, leader, timeout_s=5) as operator,
            client_of(servers, frozen) as heir,
        ):
            before = await client.write("handed", 0)
            target = (await heir.call("Status", pb.StatusRequest())).header.member_id
            await frozen.signal("etcd", signal.SIGSTOP)
            handing = asyncio.create_task(operator.call("MoveLeader", pb.MoveLeaderRequest(targetID=target)))
            try:
                refused = None
                async with asyncio.timeout(5):
                    while refused is None:
                        try:
                            before = await client.write("handed", 0)
                        except OutcomeError as error:
                            refused = error
            finally:
                await servers.heal()
            assert (type(refused), refused.code) == (Refused, "dropped"), refused.text
            with contextlib.suppress(OutcomeError):  # it may yet succeed, once the other is awake
                await handing
            assert (await client.read("handed")).version == before.version

    run(body())


def test_a_lease_that_has_expired_takes_no_keys(run, servers):
    async def body():
        async with client_of(servers, await servers.follower()) as client:
            lease = (await client.call("LeaseGrant", pb.LeaseGrantRequest(TTL=1))).ID
            await client.call("Put", put(b"mortal", b"/mortal", lease=lease))
            async with asyncio.timeout(20):
                while (await client.call("LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=lease))).TTL >= 0:
                    await asyncio.sleep(0.1)
            refused = await outcome(client.call("Put", put(b"again", b"/mortal", lease=lease)))
            assert (type(refused), refused.code) == (Refused, "lease-not-found")
            assert not (await client.call("Range", pb.RangeRequest(key=b"/mortal"))).kvs

    run(body())


def test_a_read_over_a_change_of_leaders_is_unknown(run, servers):
    async def body():
        leader, follower = await servers.leader(), await servers.follower()
        async with client_of(servers, follower, timeout_s=10) as client:
            await leader.signal("etcd", signal.SIGSTOP)
            unknown = await outcome(client.read("k"))
            assert isinstance(unknown, Unknown)
            assert unknown.code == "leader-changed"
        await servers.heal()

    run(body())


def test_a_reply_too_large_for_this_client_was_executed(run, servers):
    async def body():
        node = servers.nodes[0]
        small = Connection(node.name, node.address, limits={"grpc.max_receive_message_length": 2000})
        deadline = asyncio.get_running_loop().time() + 5
        before = await small.call("Put", put(b"1" * 5000), deadline)
        unknown = await outcome(small.call("Put", put(b"2", prev_kv=True), deadline))
        assert isinstance(unknown, Unknown)
        assert unknown.code == "reply-too-large"
        after = await small.call("Range", pb.RangeRequest(key=KEY), deadline)
        assert after.kvs[0].value == b"2"
        assert after.kvs[0].mod_revision == before.header.revision + 1
        await small.close()

    run(body())


def test_a_call_given_up_is_unknown(run, servers):
    async def body():
        node = await servers.follower()
        async with client_of(servers, node) as client:
            await node.signal("etcd", signal.SIGSTOP)
            call = client.connection().stubs.Put(put(), timeout=5)
            asyncio.get_running_loop().call_later(0.2, call.cancel)
            with pytest.raises(asyncio.CancelledError):
                await call
            assert call.cancelled()
        await servers.heal()

    run(body())


def test_a_method_that_a_release_does_not_have_is_refused(run, servers):
    async def body():
        node = servers.nodes[0]
        connection = Connection(node.name, node.address)
        await connection.ready(asyncio.get_running_loop().time() + 5)
        stub = connection.channel.unary_unary(
            "/etcdserverpb.KV/NoSuchMethod", request_serializer=None, response_deserializer=None
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(b"", timeout=5)
        refused, row = outcome_of(caught.value)
        assert isinstance(refused, Refused)
        assert row.code == "unimplemented"
        await connection.close()

    run(body())


def test_over_quota_is_unknown_because_the_applier_writes_before_it_refuses(run):
    """Eight writes race past the check of the quota; those that the applier then refuses are in the store."""

    async def body():
        cluster = make_cluster("local", run_id=new_run_id(), count=1)
        system = Etcd(SystemOptions(settings={"quota": str(8 * MEGABYTE), "max_request": str(2 * MEGABYTE)}))
        await cluster.up()
        try:
            await system.install(cluster)
            await system.start(cluster, cluster.nodes[0])
            await system.wait_ready(cluster, 20)
            clients = [await system.client(cluster.nodes, 10) for _ in range(8)]
            errors: dict[bytes, OutcomeError] = {}

            async def fill(number: int, client: EtcdClient) -> None:
                for turn in range(6):
                    key = f"/fill/{number}/{turn}".encode()
                    try:
                        await client.call("Put", put(b"x" * MEGABYTE, key))
                    except OutcomeError as error:
                        errors[key] = error

            await asyncio.gather(*(fill(number, client) for number, client in enumerate(clients)))
            assert errors
            assert {error.code for error in errors.values()} == {"no-space"}
            assert all(isinstance(error, Unknown) for error in errors.values())
            everything = pb.RangeRequest(key=b"/fill/", range_end=b"/fill0", keys_only=True)
            stored = {kv.key for kv in (await clients[0].call("Range", everything)).kvs}
            assert stored & set(errors)
            statuses = await system.status(cluster)
            assert not statuses[0].healthy
            assert "NOSPACE" in (statuses[0].error or "")
            await asyncio.gather(*(client.close() for client in clients))
        finally:
            await cluster.down()

    run(body())


def test_every_row_of_the_table_has_a_test_here_or_says_where():
    tested_here = {
        *("compacted", "future-revision", "out-of-range", "lease-not-found", "not-found", "invalid"),
        *("too-large", "precondition", "not-connected", "connection-lost", "timeout", "server-timeout"),
        *("no-leader", "leader-changed", "reply-too-large", "unimplemented", "no-space"),
        "dropped",
    }
    elsewhere = {
        "learner": "test_etcd_operators.py",
        "nobody-elected": "test_etcd_capabilities.py",
        "not-elected": "test_etcd_capabilities.py",
        "too-many-requests": "test_etcd_busy.py",
        "cancelled": "tests/unit/etcd: the server ends the stream at the deadline, a race (see the partition)",
        "server-stopped": "tests/unit/etcd: a window of microseconds while a server ends",
        "not-capable": "tests/unit/etcd: etcd before 3.0's cluster version is set; the wait for readiness outlasts it",
        "denied": "test_etcd_running.py, test_etcd_secured.py",
        "unauthenticated": "test_etcd_running.py",
        "auth-changed": "tests/unit/etcd: a user or role changed between a request's check and its proposal",
        "unknown-error": "tests/unit/etcd: the row for what nobody has seen",
    }
    assert {row.code for row in TABLE} == tested_here | set(elsewhere)
