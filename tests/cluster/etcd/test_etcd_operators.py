"""Watches, dumps, members and what operators do, against real servers."""

# ruff: noqa: ASYNC110 - tests ask servers until they have changed

from __future__ import annotations

import asyncio
import signal

import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.outcome import Refused, Unknown
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.divergence import compare
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.etcd.protocol import pb


class Part:
    """The first nodes of a cluster, as a cluster."""

    def __init__(self, cluster, count):
        self.run_id, self.nodes, self.network = cluster.run_id, cluster.nodes[:count], cluster.network


class TestWatches:
    def test_every_change_from_a_revision_on_in_order(self, run, servers):
        async def body():
            client = await servers.client(servers.nodes[0])
            first = await client.write("w1", 1)
            await client.write("w1", 2)
            last = await client.write("w1", None)
            watch = await client.watch("/register/w1", start_revision=first.version, previous=True)
            changes = []
            while len(changes) < 3:
                batch = await watch.next(5)
                assert batch is not None
                changes += batch.changes
            assert [(each.value, each.previous) for each in changes] == [
                (b"1", None),
                (b"2", b"1"),
                (None, b"2"),
            ]
            assert [each.mod_revision for each in changes] == list(range(first.version, last.version + 1))
            assert await watch.next(0.1) is None
            await watch.ask_progress()
            progress = await watch.next(5)
            assert progress.changes == ()
            assert progress.revision >= last.version
            await watch.close()
            await client.close()

        run(body())

    def test_a_prefix_from_now_on(self, run, servers):
        async def body():
            client, other = await servers.client(servers.nodes[0]), await servers.client(servers.nodes[1])
            await client.add("w2", 1)
            await other.read("w2")  # a follower's "now" may lag behind: wait until it has applied the first
            watch = await other.watch("/set/w2/", prefix=True)
            await client.add("w2", 2)
            await client.add("w3", 3)
            batch = await watch.next(5)
            assert [each.key for each in batch.changes] == ["/set/w2/2"]
            assert await watch.next(0.1) is None
            await watch.close()
            await asyncio.gather(client.close(), other.close())

        run(body())

    def test_events_that_are_gone_are_a_refusal_with_the_revision(self, run, servers):
        async def body():
            client = await servers.client(servers.nodes[0])
            await client.write("w4", 1)
            head = (await client.write("w4", 2)).version
            await servers.system.maintenance.compact(servers.nodes[0], head, physical=True)
            watch = await client.watch("/register/w4", start_revision=head - 1)
            with pytest.raises(Refused) as caught:
                await watch.next(5)
            assert (caught.value.code, caught.value.version) == ("compacted", head)
            await client.close()

        run(body())

    def test_a_lost_connection_is_not_silence(self, run, servers):
        async def body():
            node = await servers.follower()
            client = await servers.client(node)
            watch = await client.watch("/register/w5")
            await node.signal("etcd", signal.SIGKILL)
            with pytest.raises(Unknown):
                await watch.next(5)
            await client.close()
            await servers.system.start(servers.cluster, node)
            await servers.ready()

        run(body())


class TestDumps:
    def test_members_hold_the_same_and_a_silent_one_is_unknown(self, run, servers):
        async def body():
            assert servers.system.dumps
            client = await servers.client()
            await client.write("d1", "dumped")
            await client.close()
            dumps = await servers.system.dump(servers.cluster)
            result = compare(dumps)
            assert result.compared == ("n1", "n2", "n3")
            assert not result.differences
            assert dumps[1].contents["/register/d1"][0] == '"dumped"'
            node = await servers.follower()
            await node.signal("etcd", signal.SIGKILL)
            result = compare(await servers.system.dump(servers.cluster))
            assert set(result.not_compared) == {node.name}
            assert not result.differences
            await servers.system.start(servers.cluster, node)
            await servers.ready()

        run(body())

    def test_a_real_divergence_is_found(self, run):
        """etcd #18667, in every release below 3.7: a transaction that writes and reads a compacted revision."""

        async def body():
            cluster = make_cluster("local", run_id=new_run_id(), count=3)
            await cluster.up()
            try:
                system = Etcd(SystemOptions(release="3.4.23"))
                await system.install(cluster)
                await asyncio.gather(*(system.start(cluster, node) for node in cluster.nodes))
                await system.wait_ready(cluster, 20)
                client = await system.client(cluster.nodes[:1], 5)
                for value in range(5):
                    await client.write("k", value)
                await client.call("Compact", pb.CompactionRequest(revision=4))
                assert not compare(await system.dump(cluster)).differences
                both = [
                    pb.RequestOp(request_put=pb.PutRequest(key=b"/k", value=b"half")),
                    pb.RequestOp(request_range=pb.RangeRequest(key=b"/k", revision=2)),
                ]
                with pytest.raises(Refused, match="compacted"):
                    await client.call("Txn", pb.TxnRequest(success=both))
                result = compare(await system.dump(cluster))
                assert {"/k", "revision"} <= {each.key for each in result.differences}
                await client.close()
                await system.close()
            finally:
                await cluster.down()

        run(body())


class TestMaintenance:
    def test_hash_compact_defragment_snapshot(self, run, servers, tmp_path):
        async def body():
            maintenance, node = servers.system.maintenance, servers.nodes[0]
            client = await servers.client(node)
            head = (await client.write("m1", 1)).version
            await client.close()
            await maintenance.compact(node, head, physical=True)
            await servers.system.dump(servers.cluster)  # waits until all have applied the compaction
            hashes = {await maintenance.hash_kv(each, head) for each in servers.nodes}
            assert {each.revision for each in hashes} == {head}
            await maintenance.defragment(node)
            assert await maintenance.alarms(node) == []
            target = tmp_path / "store.db"
            assert await maintenance.snapshot(node, target) == target.stat().st_size > 0

        run(body())

    def test_the_leader_can_be_moved(self, run, servers):
        async def body():
            leader, follower = await servers.leader(), await servers.follower()
            await servers.system.maintenance.move_leader(leader, follower)
            await servers.ready()
            assert (await servers.leader()).name == follower.name

        run(body())


def test_a_learner_refuses_clients_until_it_is_promoted(run):
    async def body():
        cluster = make_cluster("local", run_id=new_run_id(), count=2)
        await cluster.up()
        try:
            system = Etcd(SystemOptions())
            await system.install(cluster)
            old, new = cluster.nodes
            await system.start(Part(cluster, 1), old)
            await system.wait_ready(Part(cluster, 1), 20)
            number = await system.join(cluster, old, new)
            async with asyncio.timeout(20):
                while (status := (await system.status(cluster))[1]).role != "learner":
                    await asyncio.sleep(0.05)
            assert status.node == new.name
            client = await system.client([new], 5)
            with pytest.raises(Refused) as caught:
                await client.write("k", 1)
            assert caught.value.code == "learner"
            async with asyncio.timeout(20):
                while True:
                    try:
                        await system.maintenance.promote(old, number)
                        break
                    except Refused:  # it has not caught up
                        await asyncio.sleep(0.05)
            async with asyncio.timeout(20):  # until it has applied its own promotion
                while (await system.wait_ready(cluster, 20))[1].role == "learner":
                    await asyncio.sleep(0.05)
            assert (await client.write("k", 1)).member == new.name
            members = await system.maintenance.members(old)
            assert [member.learner for member in members] == [False, False]
            await client.close()
            await system.close()
        finally:
            await cluster.down()

    run(body())
