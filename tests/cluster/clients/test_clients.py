"""What every client promises alike, whichever the system: its capabilities, and how its operations end.

What only one service knows (sessions, leases, quotas, read modes) stands in the tests of that system.
"""

# ruff: noqa: ASYNC110 - tests ask servers until they have changed

from __future__ import annotations

import asyncio
import signal

import pytest

from quorate.harness.core import capabilities
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import OutcomeError, Refused, Unknown
from tests.cluster.servers import outcome, until_ok

BASIC = {"Client", "Registers", "Sets", "Transactions", "Locks", "Counters"}
OFFERS = {
    "etcd": BASIC | {"Queues", "Elections"},
    "consul": BASIC | {"Elections"},
    "zookeeper": BASIC | {"Queues", "Elections"},
    "simulated": BASIC | {"Queues", "Elections"},
}
# Nothing listens; the request was sent and its connection ended.
NOT_CONNECTED = {"not-connected", "connection-refused"}
CONNECTION_LOST = {"connection-lost", "connection-reset"}


def offered(servers, capability):
    if capability not in OFFERS[servers.system.name]:
        pytest.skip(f"{servers.system.name} has no {capability.lower()}")


def member(servers, node):
    """Whom a reply names as the server that gave it; the simulated system's do not say."""
    return None if servers.system.name == "simulated" else node.name


@pytest.mark.parametrize("capability", sorted(BASIC | {"Queues", "Elections"}))
def test_a_client_offers_what_its_system_has(servers, clients, capability):
    has = isinstance(clients[0], getattr(capabilities, capability))
    assert has == (capability in OFFERS[servers.system.name])


class TestRegisters:
    def test_a_value_is_read_as_it_was_written_on_every_server(self, run, servers, clients):
        async def body():
            assert (await clients[0].read("r1")).value is None
            first = await clients[0].write("r1", {"a": [1, None]})
            for node, client in zip(servers.nodes, clients, strict=True):
                seen = await client.read("r1")
                assert (seen.value, seen.member) == ({"a": [1, None]}, member(servers, node))
                assert seen.version >= first.version
            second = await clients[1].cas("r1", {"a": [1, None]}, 2)
            assert second.version > first.version
            assert (await clients[2].read("r1")).value == 2

        run(body())

    def test_a_refused_compare_says_what_it_saw_and_changes_nothing(self, run, servers, clients):
        async def body():
            await clients[0].write("r2", 5)
            # ZooKeeper compares with what its replica holds, which is not a read: what it saw is not reported.
            seen = None if servers.system.name == "zookeeper" else 5
            assert (await clients[1].read("r2")).value == 5
            for old in (4, None, {"a": 5}):
                refused = await outcome(clients[1].cas("r2", old, 6))
                assert (type(refused), refused.code, refused.seen) == (Refused, "mismatch", seen)
            refused = await outcome(clients[1].cas("r2-absent", 1, 2))
            assert (type(refused), refused.code, refused.seen) == (Refused, "mismatch", None)
            assert (await clients[2].read("r2")).value == 5

        run(body())

    def test_none_is_absent(self, run, clients):
        async def body():
            await clients[0].cas("r3", None, 1)
            assert (await clients[1].read("r3")).value == 1
            await clients[1].cas("r3", 1, None)
            assert (await clients[2].read("r3")).value is None
            await clients[0].write("r3", 3)
            await clients[1].write("r3", None)
            assert (await clients[2].read("r3")).value is None

        run(body())

    def test_each_write_has_its_own_version(self, run, clients):
        async def body():
            replies = await asyncio.gather(*(one.write("r4", at) for at, one in enumerate(clients * 3)))
            assert len({reply.version for reply in replies}) == 9
            last = max(range(9), key=lambda at: replies[at].version)
            assert (await clients[0].read("r4")).value == last

        run(body())

    def test_a_race_of_compares_has_one_winner(self, run, clients):
        async def body():
            await clients[0].write("r5", 0)
            for value in range(10):
                await clients[0].cas("r5", value, value + 1)
            done = await asyncio.gather(
                *(one.cas("r5", 10, 100 + at) for at, one in enumerate(clients)), return_exceptions=True
            )
            lost = [each for each in done if isinstance(each, BaseException)]
            assert len(lost) == len(clients) - 1
            assert all(isinstance(each, Refused) and each.code in {"mismatch", "conflict"} for each in lost)

        run(body())


class TestStructures:
    def test_sets(self, run, clients):
        async def body():
            one, other, _ = clients
            assert (await one.members("s1")).value == []
            for element in (30, 4, 30, 100):
                await one.add("s1", element)
            assert (await other.members("s1")).value == [4, 30, 100]
            assert (await other.members("s")).value == []

        run(body())

    def test_counters(self, run, clients):
        async def body():
            one, other, third = clients
            assert (await one.value("c1")).value == 0
            await one.increment("c1", 5)
            await other.increment("c1", -2)
            assert (await third.value("c1")).value == 3

        run(body())

    def test_queues(self, run, servers, clients):
        async def body():
            one, other, _ = clients
            assert (await one.dequeue("q1")).value is None
            for value in (7, 5):
                await one.enqueue("q1", value)
            assert [(await each.dequeue("q1")).value for each in (other, one, other)] == [7, 5, None]

        offered(servers, "Queues")
        run(body())


class TestTransactions:
    def test_reads_see_the_writes_of_their_own_transaction(self, run, clients):
        async def body():
            micro = [
                ["r", "t1", None],
                ["append", "t1", 1],
                ["r", "t1", None],
                ["w", "t2", 7],
                ["r", "t2", None],
            ]
            done = await clients[0].transact(micro)
            assert [each[2] for each in done.value] == [None, 1, [1], 7, 7]
            again = await clients[1].transact([["append", "t1", 2], ["r", "t1", None], ["r", "t2", None]])
            assert again.value == [["append", "t1", 2], ["r", "t1", [1, 2]], ["r", "t2", 7]]

        run(body())

    def test_who_loses_a_race_is_refused_and_leaves_no_trace(self, run, clients):
        async def body():
            done = await asyncio.gather(
                *(
                    one.transact([["append", "t3", at], ["append", f"t3-{at}", at]])
                    for at, one in enumerate(clients)
                ),
                return_exceptions=True,
            )
            won = [at for at, each in enumerate(done) if not isinstance(each, BaseException)]
            lost = [each for each in done if isinstance(each, BaseException)]
            assert won
            assert all(isinstance(each, Refused) and each.code == "conflict" for each in lost)
            look = [["r", "t3", None], *(["r", f"t3-{at}", None] for at in range(3))]
            reads = (await clients[0].transact(look)).value
            assert sorted(reads[0][2]) == won
            assert [read[2] for read in reads[1:]] == [[at] if at in won else None for at in range(3)]

        run(body())


class TestLocks:
    def test_one_holder_and_tokens_that_grow(self, run, clients):
        async def body():
            one, other, _ = clients
            first = await one.acquire("l1")
            for refused, code in ((other.acquire("l1"), "held"), (other.release("l1"), "not-held")):
                error = await outcome(refused)
                assert (type(error), error.code) == (Refused, code)
            await one.release("l1")
            assert (await outcome(one.release("l1"))).code == "not-held"
            second = await other.acquire("l1")
            assert second.value > first.value
            await other.release("l1")

        run(body())

    def test_a_client_that_leaves_gives_back_what_it_holds(self, run, servers, clients):
        async def body():
            if servers.system.name == "etcd":
                pytest.skip("a lease outlives its client until its time is over")
            leaving = await servers.client(servers.nodes[1])
            held = await leaving.acquire("l2")
            await leaving.close()
            assert (await until_ok(lambda: clients[0].acquire("l2"))).value > held.value
            await clients[0].release("l2")

        run(body())


class TestElections:
    def test_one_leader_until_it_resigns(self, run, servers, clients):
        async def body():
            one, other, third = clients
            error = await outcome(third.leader("e1"))
            assert (type(error), error.code) == (Refused, "nobody-elected")
            first = (await one.campaign("e1", "one")).value
            waiting = asyncio.create_task(other.campaign("e1", "other"))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            assert (await third.leader("e1")).value == ["one", first]
            await one.resign("e1")
            assert (await waiting).value > first
            await other.resign("e1")

        offered(servers, "Elections")
        run(body())


class TestOutcomes:
    """The rows that every client has: what each of them is, and that nothing is said for certain that is not."""

    def test_a_dead_server_was_sent_nothing(self, run, servers):
        async def body():
            node = await servers.follower()
            client = await servers.client(node)
            await node.signal(servers.system.daemon, signal.SIGKILL)
            while await node.state(servers.system.daemon) is not ProcessState.DEAD:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # until the client has seen its connection end
            try:
                for call in (client.write("dead", 1), client.read("dead"), client.cas("dead", None, 2)):
                    refused = await outcome(call)
                    assert isinstance(refused, Refused)
                    assert refused.code in NOT_CONNECTED
            finally:
                await servers.restart(node)
            assert (await until_ok(lambda: client.read("dead"))).value is None
            await client.close()

        run(body())

    def test_a_write_in_flight_at_a_kill_is_unknown(self, run, servers):
        async def body():
            node = await servers.follower()
            client = await servers.client(node, timeout_s=5)
            await client.write("killed", 0)
            await node.signal(servers.system.daemon, signal.SIGSTOP)
            write = asyncio.create_task(outcome(client.write("killed", 1)))
            await asyncio.sleep(0.2)
            await node.signal(servers.system.daemon, signal.SIGKILL)
            unknown = await write
            await servers.restart(node)
            assert isinstance(unknown, Unknown)
            assert unknown.code in CONNECTION_LOST
            assert (await until_ok(lambda: client.read("killed"))).value in {0, 1}
            await client.close()

        run(body())

    def test_a_frozen_server_leaves_writes_unknown_and_reads_change_nothing(self, run, servers):
        async def body():
            node = await servers.follower()
            client = await servers.client(node, timeout_s=0.5)
            await client.write("frozen", 0)
            await node.signal(servers.system.daemon, signal.SIGSTOP)
            try:
                unknown = await outcome(client.write("frozen", 1))
                unread = await outcome(client.read("frozen"))
            finally:
                await servers.heal()
            assert (type(unknown), unknown.code) == (Unknown, "timeout")
            assert (type(unread), unread.code) in ((Unknown, "timeout"), (Refused, "unread"))
            assert (await until_ok(lambda: client.read("frozen"))).value in {0, 1}
            await client.close()

        run(body())

    def test_a_leader_cut_off_acknowledges_nothing(self, run, servers):
        async def body():
            leader = await servers.leader()
            other = next(node for node in servers.nodes if node is not leader)
            client, witness = await servers.client(leader, timeout_s=2), await servers.client(other)
            await client.write("cut", 0)
            await servers.cut_off(leader)
            try:
                # Consul and ZooKeeper may say soon that they have no leader: only what was sent before is open.
                open_ = await outcome(client.write("cut", 1))
                unread = await outcome(client.read("cut"))
            finally:
                await servers.heal()
            assert isinstance(open_, Unknown)
            assert isinstance(unread, OutcomeError)
            assert (await until_ok(lambda: witness.read("cut"))).value in {0, 1}
            await client.close()
            await witness.close()

        run(body())

    def test_a_client_that_knows_all_servers_moves_on_and_never_repeats(self, run, servers):
        async def body():
            node = await servers.follower()
            others = [each for each in servers.nodes if each is not node]
            if servers.system.name == "simulated":
                pytest.skip("its clients do not say which server answered")
            client = await servers.client(node, *others, timeout_s=1)
            assert (await client.write("moving", 1)).member == member(servers, node)
            await node.signal(servers.system.daemon, signal.SIGSTOP)
            try:
                assert isinstance(await outcome(client.write("moving", 2)), Unknown)
                seen = await until_ok(lambda: client.read("moving"))
                assert seen.value == 1
                assert seen.member is None or seen.member != node.name
            finally:
                await servers.heal()
            await client.close()

        run(body())
