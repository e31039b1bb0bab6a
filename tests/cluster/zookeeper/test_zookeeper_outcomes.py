"""The outcome table, a test a row against real servers."""

# ruff: noqa: ASYNC110 - tests ask servers until they have changed

from __future__ import annotations

import asyncio
import signal

import pytest
from kazoo.protocol.serialization import Create, Delete, SetData
from kazoo.security import ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, Id

from quorate.harness.core.outcome import OutcomeError, Refused, Unknown
from quorate.harness.systems.zookeeper.client.access import ROOT
from quorate.harness.systems.zookeeper.client.caller import ClientOptions
from quorate.harness.systems.zookeeper.client.client import ZooKeeperClient
from quorate.harness.systems.zookeeper.client.outcomes import TABLE
from quorate.harness.systems.zookeeper.client.records import RemoveWatches

ROW = f"{ROOT}/outcomes"
BELOW = f"{ROW}/below"
SEALED = f"{ROW}/sealed"


def create(node: str, data: bytes = b"", acl=OPEN_ACL_UNSAFE) -> Create:
    return Create(node, data, acl, 0)


class Unheard:
    """A request of a type that no release has."""

    type = 999

    @staticmethod
    def serialize() -> bytes:
        return b""


def client_of(node, timeout_s=4.0, session_ms=15_000) -> ZooKeeperClient:
    options = ClientOptions(session_ms=session_ms)
    return ZooKeeperClient(f"test-{node.name}", {node.name: node.address}, timeout_s, options)


async def send(client: ZooKeeperClient, record: object) -> None:
    async with client.operation("send") as link:
        await link.request(record)


@pytest.mark.parametrize(
    ("code", "record"),
    [
        ("exists", create(ROW)),
        ("not-found", create(f"{ROOT}/no/such")),
        ("not-found", SetData(f"{ROOT}/no", b"", -1)),
        ("bad-version", SetData(ROW, b"after", 77)),
        ("not-empty", Delete(ROW, -1)),
        ("bad-version", Delete(BELOW, 77)),
        ("invalid", create(f"{ROW}/..")),
        ("no-children", create(f"{ROW}/mortal/child")),
        ("no-watch", RemoveWatches(ROW)),
        ("denied", SetData(SEALED, b"after", -1)),
        ("invalid", create(f"{ROW}/owned", acl=[ACL(31, Id("no-such-scheme", "x"))])),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_refused_certainly_did_not_happen(run, servers, outcome, code, record):
    async def body():
        async with client_of(await servers.follower()) as client:
            for node in (BELOW, f"{ROW}/mortal"):
                if (await client.exists(node)).value is None:
                    await client.create_node(node, 1, ephemeral=node.endswith("mortal"))
            if (await client.exists(SEALED)).value is None:
                await send(client, create(SEALED, acl=READ_ACL_UNSAFE))
            before = (await client.exists(ROW)).value
            refused = await outcome(send(client, record))
            assert (type(refused), refused.code) == (Refused, code), refused.text
            assert (await client.exists(ROW)).value == before

    run(body())


def test_what_goes_over_a_quota_is_refused_before_anything_is_changed(run, servers, outcome):
    async def body():
        node = f"{ROOT}/register/full"
        async with client_of(await servers.follower()) as client:
            await client.write("full", "small")
            await client.create_node(f"/zookeeper/quota{node}/zookeeper_limits")
            for name, data in (
                ("limits", b"count=-1,bytes=-1;byteHardLimit=20;countHardLimit=-1"),
                ("stats", b"count=1,bytes=7"),
            ):
                path = f"/zookeeper/quota{node}/zookeeper_{name}"
                if (await client.exists(path)).value is not None:
                    await client.delete_node(path)
                await client.create_raw(path, data)
            before = await client.read("full")
            for call in (client.write("full", "1" * 100), client.cas("full", "small", "1" * 100)):
                refused = await outcome(call)
                assert (type(refused), refused.code) == (Refused, "over-quota"), refused.text
            after = await client.read("full")
            assert (after.value, after.version) == ("small", before.version)

    run(body())


def test_a_request_that_the_release_does_not_have_is_refused_and_ends_the_connection(run, servers, outcome):
    async def body():
        async with client_of(await servers.follower()) as client:
            session = (await client.connect()).session
            refused = await outcome(send(client, Unheard()))
            assert (type(refused), refused.code) == (Refused, "unimplemented"), refused.text
            async with asyncio.timeout(5):
                while isinstance(await outcome_or_none(client.exists(ROOT)), OutcomeError):
                    await asyncio.sleep(0.02)
            assert (await client.exists(ROOT)).session == session

    run(body())


async def outcome_or_none(awaitable) -> OutcomeError | None:
    try:
        await awaitable
    except OutcomeError as error:
        return error
    return None


def test_what_is_too_large_ends_the_connection_and_is_unknown(run, servers, outcome):
    """ZooKeeper closes the connection instead of answering; nothing distinguishes that from a server that died."""

    async def body():
        async with client_of(servers.nodes[0]) as client:
            session = (await client.connect()).session
            unknown = await outcome(client.write("big", "1" * 2_000_000))
            # On a busy machine the deadline may pass before the server gets to closing.
            assert isinstance(unknown, Unknown)
            assert unknown.code in {"connection-lost", "timeout"}
            seen = await client.read("big")
            assert (seen.value, seen.session) == (None, session)  # the session was resumed

    run(body())


def test_a_request_that_timed_out_leaves_the_connection_usable_and_may_take_effect_late(
    run, servers, outcome
):
    async def body():
        node = await servers.follower()
        async with client_of(node, timeout_s=0.4) as client:
            session = (await client.write("frozen", 0)).session
            await node.signal("zookeeper", signal.SIGSTOP)
            try:
                unread = await outcome(client.read("frozen"))
                assert (type(unread), unread.code) == (Refused, "unread")
                unread = await outcome(client.cas("frozen", 0, 2))
                assert (type(unread), unread.code) == (
                    Refused,
                    "unread",
                )  # it ended before its write was sent
                unknown = await outcome(client.write("frozen", 1))
                assert (type(unknown), unknown.code) == (Unknown, "timeout")
                async with client_of(node, timeout_s=0.4) as fresh:
                    refused = await outcome(fresh.write("frozen", 3))
                    assert (type(refused), refused.code) == (Refused, "not-connected")
            finally:
                await node.signal("zookeeper", signal.SIGCONT)
            await servers.ready()
            seen = await client.read("frozen")  # not one of the late replies to others
            assert (seen.value, seen.session) == (1, session)

    run(body())


def test_a_leader_cut_off_with_a_write_in_flight_leaves_it_unknown_and_then_takes_nobody(
    run, servers, outcome
):
    async def body():
        leader = await servers.leader()
        others = [node for node in servers.nodes if node is not leader]
        async with client_of(leader, timeout_s=10) as client, client_of(others[0]) as witness:
            await client.write("lost", 0)
            await servers.cut_off(leader)
            try:
                unknown = await outcome(client.write("lost", 1))
                assert (type(unknown), unknown.code) == (Unknown, "connection-lost"), unknown.text
                refused = await outcome(client.write("lost", 2))
                assert (type(refused), refused.code) == (Refused, "not-connected"), refused.text
            finally:
                await servers.heal()
            assert (await witness.read("lost")).value in {0, 1}

    run(body())


def test_a_follower_cut_off_leaves_writes_unknown_and_reads_unread_and_then_takes_nobody(
    run, servers, outcome
):
    """It serves on until it has not heard from the leader for syncLimit, and closes its connections then."""

    async def body():
        node, leader = await servers.follower(), await servers.leader()
        async with (
            client_of(node, timeout_s=0.4) as hasty,
            client_of(node, timeout_s=10) as writer,
            client_of(node, timeout_s=10) as reader,
            client_of(leader) as witness,
        ):
            for client in (hasty, writer, reader):
                await client.write("cut", 0)
            await servers.cut_off(node)
            try:
                late, lost, unread = await asyncio.gather(
                    outcome(hasty.write("cut", 1)),
                    outcome(writer.write("cut", 2)),
                    outcome(reader.read("cut")),
                )
                refused = await outcome(writer.write("cut", 3))
            finally:
                await servers.heal()
            assert (type(late), late.code) == (Unknown, "timeout"), late.text
            assert (type(lost), lost.code) == (Unknown, "connection-lost"), lost.text
            assert (type(unread), unread.code) == (Refused, "unread"), unread.text
            assert (type(refused), refused.code) == (Refused, "not-connected"), refused.text
            assert (await witness.read("cut")).value in {0, 1, 2}

    run(body())


def test_a_server_without_a_leader_takes_nobody(run, servers, outcome):
    async def body():
        node = await servers.follower()
        others = [other for other in servers.nodes if other is not node]
        async with client_of(node, timeout_s=10) as known, client_of(node, timeout_s=1) as stranger:
            await known.write("alone", 0)
            for other in others:
                await other.signal("zookeeper", signal.SIGSTOP)
            try:
                unknown = await outcome(known.write("alone", 1))
                for client in (known, stranger):
                    refused = await outcome(client.write("alone", 2))
                    assert (type(refused), refused.code) == (Refused, "not-connected"), refused.text
            finally:
                await servers.heal()
            assert (type(unknown), unknown.code) == (Unknown, "connection-lost"), unknown.text
            assert (await known.read("alone")).value in {0, 1}

    run(body())


def test_an_expired_session_is_refused_and_the_next_operation_has_a_new_one(run, servers, outcome):
    async def body():
        async with (
            client_of(servers.nodes[0], session_ms=1000) as mortal,
            client_of(servers.nodes[1]) as witness,
        ):
            made = await mortal.create_node(f"{ROW}-mortal", 1, ephemeral=True)
            mortal.drop()
            async with asyncio.timeout(10):
                while (await witness.exists(f"{ROW}-mortal")).value is not None:
                    await asyncio.sleep(0.1)
            refused = await outcome(mortal.write("k", 1))
            assert (type(refused), refused.code) == (Refused, "session-expired")
            assert (await mortal.write("k", 2)).session != made.session

    run(body())


def test_a_session_resumed_elsewhere_is_refused_where_it_was(run, servers, outcome):
    async def body():
        first, second = servers.nodes[:2]
        everywhere = {first.name: first.address, second.name: second.address}
        async with client_of(first) as left:
            made = await left.create_node(f"{ROW}-moving", 1, ephemeral=True)
            right = ZooKeeperClient("right", everywhere, 4.0, ClientOptions())
            right.resume(left.session, second.name)
            moved = await right.write("moving", 1)
            assert (moved.session, moved.member) == (made.session, second.name)
            ended = await outcome(left.write("moving", 2))
            assert ended.code in {"session-moved", "connection-lost"}
            seen = await right.read("moving")
            assert seen.value == 1 or isinstance(ended, Unknown)
            await right.close()  # the session ends, and its node with it
            async with client_of(first) as witness:
                async with asyncio.timeout(5):
                    while (await witness.exists(f"{ROW}-moving")).value is not None:
                        await asyncio.sleep(0.05)

    run(body())


def test_every_row_of_the_table_has_a_test_here_or_says_where():
    tested_here = {
        *("exists", "not-found", "bad-version", "not-empty", "no-children", "no-watch", "invalid", "denied"),
        *("unimplemented", "over-quota", "session-expired", "session-moved", "connection-lost"),
    }
    elsewhere = {
        "not-authenticated": "test_zookeeper_secured.py",
        "rolled-back": "clients/test_clients.py: it stands within the answer to a multi, never by itself",
        "marshalling": "tests/unit/zookeeper: on 3.9.4 a request that cannot be read is never answered",
        "read-only": "tests/unit/zookeeper: needs readonlymode, which quorate never turns on",
        "ephemeral-on-local": "tests/unit/zookeeper: needs local sessions, the same",
        "throttled": "tests/unit/zookeeper: needs a throttle, the same",
        "server-timeout": "tests/unit/zookeeper: known from the protocol; no server was seen to send it",
    }
    assert {row.code for row in TABLE} == tested_here | set(elsewhere)
