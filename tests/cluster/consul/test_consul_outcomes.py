"""The outcome table, a test a row against real servers."""

# ruff: noqa: ASYNC110 - tests ask servers until they have changed

from __future__ import annotations

import asyncio
import signal

import pytest

from quorate.harness.core.outcome import Refused, Unknown
from quorate.harness.systems.consul.client.caller import encode
from quorate.harness.systems.consul.client.outcomes import TABLE

NOBODY = "00000000-0000-0000-0000-000000000000"
MEGABYTE = 1_000_000


def kv(verb: str, **more: object) -> dict[str, object]:
    return {"Verb": verb, "Key": "quorate/register/row", "Value": encode(1), **more}


@pytest.mark.parametrize(
    ("code", "operation"),
    [
        ("conflict", kv("cas", Index=1)),
        ("conflict", kv("check-index", Index=1)),
        ("conflict", kv("check-not-exists")),
        ("invalid", kv("no-such-verb")),
        ("too-large", kv("set", Value=encode("1" * MEGABYTE))),
        ("session-invalid", kv("lock", Session=NOBODY)),
        ("not-held", kv("unlock", Session=NOBODY)),
        ("too-large", [kv("set")] * 65),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
def test_what_is_refused_certainly_did_not_happen(run, servers, outcome, code, operation):
    async def body():
        client = await servers.client(await servers.follower())
        before = await client.write("row", "before")
        refused = await outcome(client.txn(operation if isinstance(operation, list) else [operation]))
        assert (type(refused), refused.code) == (Refused, code), refused.text
        after = await client.read("row")
        assert (after.value, after.version) == ("before", before.version)
        await client.close()

    run(body())


def test_what_is_not_there_is_refused(run, servers, outcome):
    async def body():
        client = await servers.client()
        assert (await outcome(client.renew_session(NOBODY))).code == "not-found"
        assert (await outcome(client.call("POST", "/v1/txn", []))).code == "invalid"
        assert (await outcome(client.call("PUT", "/v1/txn", {"no": "list"}))).code == "invalid"
        assert (await client.find_session(NOBODY)).value is None
        await client.close()

    run(body())


def test_a_frozen_server_leaves_writes_unknown_and_reads_unread(run, servers, outcome):
    async def body():
        node = await servers.follower()
        client = await servers.client(node, timeout_s=0.4)
        await client.write("frozen", 0)
        await node.signal("consul", signal.SIGSTOP)
        try:
            unknown = await outcome(client.write("frozen", 1))
            assert (type(unknown), unknown.code) == (Unknown, "timeout")
            refused = await outcome(client.read("frozen"))
            assert (type(refused), refused.code) == (Refused, "unread")
            refused = await outcome(client.cas("frozen", 0, 2))
            assert (type(refused), refused.code) == (Refused, "unread")  # it ended before its write was sent
        finally:
            await servers.heal()
        assert (await client.read("frozen")).value in {0, 1}
        await client.close()

    run(body())


def test_a_leader_cut_off_with_a_proposal_answers_leadership_lost(run, servers, outcome):
    async def body():
        leader = await servers.leader()
        other = next(node for node in servers.nodes if node is not leader)
        client = await servers.client(leader, timeout_s=10)
        await client.write("lost", 0)
        await servers.cut_off(leader)
        try:
            unknown = await outcome(client.write("lost", 1))
            assert (type(unknown), unknown.code) == (Unknown, "leadership-lost"), unknown.text
        finally:
            await servers.heal()
        witness = await servers.client(other)
        assert (await witness.read("lost")).value in {0, 1}
        await client.close()
        await witness.close()

    run(body())


def test_a_server_without_a_leader_refuses_once_it_has_held_a_request_long_enough(run, servers, outcome):
    async def body():
        node = await servers.follower()
        writer, reader = await servers.client(node, timeout_s=8), await servers.client(node, timeout_s=8)
        hasty = await servers.client(node, timeout_s=0.5)
        for other in servers.nodes:
            if other is not node:
                await other.signal("consul", signal.SIGSTOP)
        try:
            async with asyncio.timeout(10):
                while (await servers.system.status(servers.cluster))[servers.nodes.index(node)].healthy:
                    await asyncio.sleep(0.05)
            seen = await asyncio.gather(
                outcome(writer.write("k", 1)), outcome(reader.read("k")), outcome(hasty.write("k", 2))
            )
        finally:
            await servers.heal()
        assert [(type(each), each.code) for each in seen] == [
            (Refused, "no-leader"),
            (Refused, "no-leader"),
            (Unknown, "timeout"),
        ]
        for client in (writer, reader, hasty):
            await client.close()

    run(body())


def test_a_session_that_has_ended_locks_nothing(run, servers, outcome):
    async def body():
        client = await servers.client(await servers.follower())
        other = await servers.client(await servers.leader())
        before = await client.write("row", "before")
        session = (await client.create_session()).value
        await other.destroy_session(session)
        refused = await outcome(client.txn([kv("lock", Session=session)]))
        assert (type(refused), refused.code) == (Refused, "session-invalid"), refused.text
        assert (await outcome(client.renew_session(session))).code == "not-found"
        assert (await client.read("row")).version == before.version
        await client.close()
        await other.close()

    run(body())


def test_a_follower_cut_off_leaves_open_what_it_forwarded_and_refuses_what_comes_later(run, servers, outcome):
    async def body():
        node, leader = await servers.follower(), await servers.leader()
        hasty, patient = await servers.client(node, timeout_s=0.4), await servers.client(node, timeout_s=10)
        witness = await servers.client(leader)
        for client in (hasty, patient):
            await client.write("cut", 0)
        await servers.cut_off(node)
        try:
            forwarded = await outcome(hasty.write("cut", 1))
            async with asyncio.timeout(10):
                while (await servers.system.status(servers.cluster))[servers.nodes.index(node)].healthy:
                    await asyncio.sleep(0.05)
            later = await outcome(patient.write("cut", 2))
            unread = await outcome(patient.read("cut"))
        finally:
            await servers.heal()
        assert (type(forwarded), forwarded.code) == (Unknown, "timeout")
        assert (type(later), later.code) == (Refused, "no-leader"), later.text
        assert (type(unread), unread.code) == (Refused, "no-leader"), unread.text
        assert (await witness.read("cut")).value in {0, 1}
        for client in (hasty, patient, witness):
            await client.close()

    run(body())


def test_a_write_forwarded_to_a_frozen_leader_may_take_effect_after_its_time(run, servers, outcome):
    async def body():
        leader, node = await servers.leader(), await servers.follower()
        client = await servers.client(node, timeout_s=0.3)
        await client.write("late", 0)
        await leader.signal("consul", signal.SIGSTOP)
        unknown = await outcome(client.write("late", "it did"))
        await leader.signal("consul", signal.SIGCONT)  # before anybody else was elected
        assert (type(unknown), unknown.code) == (Unknown, "timeout")
        await servers.ready()
        patient = await servers.client(node)
        async with asyncio.timeout(5):
            while (await patient.read("late")).value != "it did":
                await asyncio.sleep(0.02)
        await client.close()
        await patient.close()

    run(body())


def test_a_leader_killed_leaves_open_what_was_forwarded_and_what_finds_it_dead_was_never_sent(
    run, servers, outcome
):
    async def body():
        leader, node = await servers.leader(), await servers.follower()
        client, later = await servers.client(node, timeout_s=10), await servers.client(node, timeout_s=10)
        for each in (client, later):
            await each.write("killed", 0)
        await leader.signal("consul", signal.SIGSTOP)
        forwarded = asyncio.create_task(outcome(client.write("killed", 1)))
        await asyncio.sleep(0.2)
        await leader.signal("consul", signal.SIGKILL)
        unknown, refused = await forwarded, await outcome(later.write("killed", 2))
        await servers.restart(leader)
        assert (type(unknown), unknown.code) == (Unknown, "connection-lost"), unknown.text
        assert (type(refused), refused.code) == (Refused, "no-leader"), refused.text
        assert "getting client" in refused.text
        assert (await later.read("killed")).value in {0, 1}
        await client.close()
        await later.close()

    run(body())


def test_every_row_of_the_table_has_a_test_here_or_says_where():
    tested_here = {
        *("no-leader", "leadership-lost", "connection-lost", "session-invalid", "not-held", "conflict"),
        *("invalid", "not-found", "too-large"),
    }
    elsewhere = {
        "held": "clients/test_clients.py",
        "lock-delay": "test_consul_capabilities.py",
        "not-leader": "tests/unit/consul: raft knows that it was deposed and Consul does not yet, for microseconds",
        "not-ready": "tests/unit/consul: reads alone, until a new leader has committed its first entry",
        "overloaded": "tests/unit/consul: raft's queue full for 30 s; no deadline of a client is that long",
        "too-many-requests": "tests/unit/consul: the limit on connections is off in every run",
        "server-timeout": "tests/unit/consul: the link between servers is given up after 30 s; the same",
        "rpc-error": "tests/unit/consul: the row for what nobody has seen between servers",
        "denied": "test_consul_secured.py",
        "unknown-error": "tests/unit/consul: the row for what nobody has seen",
    }
    assert {row.code for row in TABLE} == tested_here | set(elsewhere)
