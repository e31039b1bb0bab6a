"""What the etcd client offers, against real servers."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import pytest

from quorate.harness.core.outcome import Refused, Unknown
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.etcd.client.client import EtcdClient
from quorate.harness.systems.etcd.protocol import pb


@pytest.fixture
def clients(run, servers):
    made: list[EtcdClient] = []

    def make(node: int = 0, timeout_s: float = 5.0) -> EtcdClient:
        client = run(servers.client(servers.nodes[node], timeout_s=timeout_s))
        made.append(client)
        return client

    yield make
    for client in made:
        run(client.close())


def refused(run, coroutine) -> Refused:
    with pytest.raises(Refused) as caught:
        run(coroutine)
    return caught.value


class TestRegisters:
    def test_serializable_reads_of_a_cut_off_member_are_stale_and_linearizable_ones_are_not(
        self, run, servers
    ):
        async def body():
            node = await servers.follower()
            other = next(each for each in servers.nodes if each is not node)
            stale_system = Etcd(SystemOptions(settings={"reads": "serializable"}))
            stale = await stale_system.client([node], 2)
            strict, writer = await servers.client(node, timeout_s=1), await servers.client(other)
            await writer.write("r5", "old")
            await strict.read("r5")
            assert (await stale.read("r5")).value == "old"
            await servers.cut_off(node)
            try:
                await writer.write("r5", "new")
                assert (await stale.read("r5")).value == "old"
                with pytest.raises(Unknown):
                    await strict.read("r5")
            finally:
                await servers.heal()
            await asyncio.gather(*(client.close() for client in (stale, strict, writer)))

        run(body())


class TestTransactions:
    def test_of_two_that_race_on_a_key_one_is_refused_and_leaves_no_trace(self, run, clients):
        made = [clients(node) for node in (0, 1, 2)]

        async def race(key):
            attempts = (
                c.transact([["append", key, n], ["append", f"{key}-{n}", n]]) for n, c in enumerate(made)
            )
            return await asyncio.gather(*attempts, return_exceptions=True)

        for number in range(20):  # on a busy machine they may come one after the other
            key = f"t3.{number}"
            outcomes = run(race(key))
            won = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]
            lost = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
            assert won
            assert all(isinstance(error, Refused) and error.code == "conflict" for error in lost)
            look = [["r", key, None], *(["r", f"{key}-{n}", None] for n in range(3))]
            reads = run(made[0].transact(look)).value
            assert sorted(reads[0][2]) == won
            assert [read[2] for read in reads[1:]] == [[n] if n in won else None for n in range(3)]
            if lost:
                return
        raise AssertionError("nobody ever lost a race")

    def test_blind_writes_never_conflict(self, run, clients):
        made = [clients(node) for node in (0, 1, 2)]

        async def race():
            return await asyncio.gather(*(c.transact([["w", "t4", n]]) for n, c in enumerate(made)))

        versions = [reply.version for reply in run(race())]
        last = versions.index(max(versions))
        assert run(made[0].transact([["r", "t4", None]])).value == [["r", "t4", last]]

    def test_reads_lost_before_a_write_was_sent_are_a_certain_refusal(self, run, servers):
        async def body():
            node = await servers.follower()
            client = await servers.client(node, timeout_s=0.4)
            await client.read("warm")
            await node.signal("etcd", signal.SIGSTOP)
            with pytest.raises(Refused) as caught:
                await client.transact([["append", "t5", 1]])
            assert caught.value.code == "unread"
            await servers.heal()
            assert (await client.transact([["r", "t5", None]])).value == [["r", "t5", None]]
            await client.close()

        run(body())


class TestStructures:
    def test_a_queue_gives_each_value_once_in_order(self, run, clients):
        client = clients()
        for value in range(12):
            run(client.enqueue("q1", value))
        assert run(clients(1).dequeue("q1")).value == 0
        made = [clients(node) for node in (0, 1, 2)]

        async def drain(one):
            taken = []
            while True:
                with contextlib.suppress(Refused):  # who lost too many races for the head took nothing
                    value = (await one.dequeue("q1")).value
                    if value is None:
                        return taken
                    taken.append(value)

        async def race():
            return await asyncio.gather(*(drain(one) for one in made))

        taken = run(race())
        assert sorted(value for part in taken for value in part) == list(range(1, 12))
        assert all(part == sorted(part) for part in taken)

    def test_a_counter_loses_no_increment_that_was_acknowledged(self, run, clients):
        made = [clients(node) for node in (0, 1, 2)]

        async def add(one):
            done = 0
            for _ in range(10):
                with contextlib.suppress(Refused):
                    await one.increment("n1", 2)
                    done += 1
            return done

        async def race():
            return sum(await asyncio.gather(*(add(one) for one in made)))

        done = run(race())
        assert run(made[0].value("n1")).value == 2 * done


class TestLocks:
    def test_a_lock_is_lost_with_its_lease_and_its_client_learns_it(self, run, clients):
        one, two = clients(0), clients(1)

        async def body():
            first = await one.acquire("l2")
            await two.revoke(int(first.session, 16))
            second = await two.acquire("l2")
            assert second.value > first.value
            with pytest.raises(Refused) as caught:
                await one.release("l2")
            assert caught.value.code == "not-held"
            with pytest.raises(Refused) as caught:
                await one.acquire("l3")
            assert caught.value.code == "lease-not-found"
            assert (await one.acquire("l3")).session != first.session

        run(body())

    def test_renewals_keep_a_short_lease_alive(self, run, servers):
        async def body():
            system = Etcd(SystemOptions(settings={"lease_ttl": "1s"}))
            client = await system.client(servers.nodes[:1], 2)
            reply = await client.acquire("l4")
            await asyncio.sleep(2.5)
            left = (await client.time_to_live(int(reply.session, 16), keys=True)).value
            assert left["ttl"] >= 0
            assert left["keys"] == ["/lock/l4"]
            await client.release("l4")
            await client.close()

        run(body())

    def test_the_lock_service_queues(self, run, servers):
        async def body():
            system = Etcd(SystemOptions(settings={"lock": "service"}))
            one, two = [await system.client([node], 5) for node in servers.nodes[:2]]
            first = await one.acquire("l5")
            waiting = asyncio.create_task(two.acquire("l5"))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            await one.release("l5")
            assert (await waiting).value > first.value
            await two.release("l5")
            await asyncio.gather(one.close(), two.close())

        run(body())

    def test_leases(self, run, clients):
        client = clients()
        lease = run(client.grant(60)).value
        assert run(client.renew(lease)).value == 60
        assert run(client.time_to_live(lease)).value["granted"] == 60
        run(client.revoke(lease))
        assert refused(run, client.renew(lease)).code == "lease-not-found"
        assert run(client.time_to_live(lease)).value["ttl"] == -1


class TestElections:
    def test_one_leader_until_it_resigns(self, run, clients):
        one, two = clients(0), clients(1)

        async def body():
            with pytest.raises(Refused) as caught:
                await one.leader("e1")
            assert caught.value.code == "nobody-elected"
            first = await one.campaign("e1", "one")
            waiting = asyncio.create_task(two.campaign("e1", "two"))
            assert (await two.leader("e1")).value == ["one", first.value]
            await one.proclaim("e1", "still one")
            assert (await one.leader("e1")).value == ["still one", first.value]
            assert not waiting.done()
            await one.resign("e1")
            second = await waiting
            assert second.value > first.value
            assert (await one.leader("e1")).value == ["two", second.value]

        run(body())

    def test_a_leader_without_its_lease_can_proclaim_nothing(self, run, clients):
        one, two = clients(0), clients(1)

        async def body():
            first = await one.campaign("e2", "one")
            await two.revoke(int(first.session, 16))
            with pytest.raises(Refused) as caught:
                await one.proclaim("e2", "really")
            assert caught.value.code == "not-elected"
            with pytest.raises(Refused) as caught:
                await one.campaign("e2", "again")
            assert caught.value.code == "lease-not-found"
            assert (await one.campaign("e2", "again")).session != first.session

        run(body())


class TestKeys:
    def test_ranges_revisions_and_limits(self, run, clients):
        client = clients()

        async def body():
            first = await client.put("/keys/a", b"1")
            await client.put("/keys/b", b"2")
            await client.put("/keys/a", b"3")
            now = (await client.range("/keys/", prefix=True)).value
            assert [(entry.key, entry.value, entry.version) for entry in now["entries"]] == [
                ("/keys/a", b"3", 2),
                ("/keys/b", b"2", 1),
            ]
            past = (await client.range("/keys/", prefix=True, revision=first.version)).value
            assert [(entry.key, entry.value) for entry in past["entries"]] == [("/keys/a", b"1")]
            cut = (await client.range("/keys/", prefix=True, limit=1, keys_only=True)).value
            assert (len(cut["entries"]), cut["count"], cut["more"]) == (1, 2, True)
            await client.compact(first.version + 1)
            with pytest.raises(Refused) as caught:
                await client.range("/keys/a", revision=first.version)
            assert caught.value.code == "compacted"
            assert (await client.delete("/keys/", prefix=True)).value == 2

        run(body())

    def test_a_transaction_of_ones_own(self, run, clients):
        client = clients()

        async def body():
            absent = pb.Compare(key=b"/keys/t", target=pb.Compare.VERSION, result=pb.Compare.EQUAL, version=0)
            put, look = pb.PutRequest(key=b"/keys/t", value=b"1"), pb.RangeRequest(key=b"/keys/t")
            first = await client.txn([absent], [put], [look])
            second = await client.txn([absent], [put], [look])
            assert first.value["succeeded"]
            assert not second.value["succeeded"]
            assert second.value["responses"][0].kvs[0].mod_revision == first.version

        run(body())

    def test_keys_go_with_their_lease(self, run, clients):
        client = clients()

        async def body():
            lease = (await client.grant(60)).value
            await client.put("/keys/l", b"1", lease=lease)
            await client.revoke(lease)
            assert (await client.range("/keys/l")).value["count"] == 0

        run(body())
