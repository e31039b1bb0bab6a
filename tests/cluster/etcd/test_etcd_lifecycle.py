"""Starting, watching and losing etcd servers."""

# ruff: noqa: ASYNC110 - tests ask servers until they have changed

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.node import Daemon, ProcessState
from quorate.harness.core.outcome import Broken, Unknown
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.etcd import Etcd


def test_all_members_are_healthy_with_one_leader_in_one_term(run, servers):
    async def body():
        statuses = await servers.system.wait_ready(servers.cluster, 10)
        assert [status.node for status in statuses] == ["n1", "n2", "n3"]
        assert sorted(status.role for status in statuses) == ["follower", "follower", "leader"]
        assert len({status.term for status in statuses}) == 1
        assert all(status.healthy and status.applied and status.version for status in statuses)
        assert servers.system.release.startswith(statuses[0].version)

    run(body())


def test_status_of_dead_frozen_and_cut_off_members_keeps_its_deadline(run, servers):
    async def body():
        follower = await servers.follower()
        names = {node.name for node in servers.nodes}
        await servers.system.status(servers.cluster)
        await follower.signal("etcd", signal.SIGSTOP)
        begun = time.monotonic()
        statuses = {status.node: status for status in await servers.system.status(servers.cluster)}
        assert time.monotonic() - begun < 2  # a deadline kept, with room for a busy machine
        assert not statuses[follower.name].healthy
        assert "timeout" in statuses[follower.name].error
        assert all(statuses[name].healthy for name in names - {follower.name})
        await servers.heal()
        await servers.cut_off(follower)
        async with asyncio.timeout(10):
            while (status := {each.node: each for each in await servers.system.status(servers.cluster)})[
                follower.name
            ].healthy:
                await asyncio.sleep(0.05)
        assert "no leader" in status[follower.name].error
        await servers.heal()

    run(body())


def test_a_killed_server_comes_back_with_its_data(run, servers):
    async def body():
        node = await servers.leader()
        client = await servers.client(node)
        version = (await client.write("kept", "through a kill")).version
        await client.close()
        await node.signal("etcd", signal.SIGKILL)
        assert await node.state("etcd") is ProcessState.DEAD
        with pytest.raises(Broken, match=f"etcd on {node.name} is not running") as caught:
            await servers.system.wait_ready(servers.cluster, 5)
        assert "last lines" in caught.value.text
        await servers.system.start(servers.cluster, node)
        await servers.ready()
        again = await servers.client(node)
        seen = await again.read("kept")
        assert seen.value == "through a kill"
        assert seen.version >= version
        await again.close()

    run(body())


def test_logs_are_where_the_system_says(run, servers):
    async def body():
        node = servers.nodes[0]
        for path in servers.system.log_files(node):
            assert "raft" in (await node.run(["cat", path])).stdout

    run(body())


async def failing(settings: dict[str, str], before=None, *, release: str | None = None) -> Broken:
    cluster = make_cluster("local", run_id=new_run_id(), count=1)
    await cluster.up()
    try:
        system = Etcd(SystemOptions(release=release, settings=settings))
        try:
            await system.install(cluster)
            if before is not None:
                await before(cluster.nodes[0])
            await system.start(cluster, cluster.nodes[0])
            await system.wait_ready(cluster, 10)
        except Broken as error:
            return error
        pytest.fail("nothing was broken")
    finally:
        await cluster.down()


def test_a_port_in_use_is_told_with_the_servers_own_words(run):
    async def squat(node):
        argv = ("/usr/bin/python3", "-m", "http.server", "2379", "--bind", node.address)
        await node.start(Daemon("squatter", argv, f"{node.directory}/log/squatter.log"))
        async with asyncio.timeout(10):
            while (await node.run(["ss", "-Hltn", "sport", "=", "2379"])).stdout.strip() == "":
                await asyncio.sleep(0.02)

    error = run(failing({}, squat))
    assert error.code == "server-died"
    assert "address already in use" in error.text


def test_a_flag_that_the_release_does_not_know_is_told_with_the_servers_own_words(run):
    error = run(failing({"args": "--no-such-flag"}))
    assert error.code == "server-died"
    assert "no-such-flag" in error.text


@pytest.mark.parametrize(
    ("binary", "words"),
    [
        ("/no/such/file", "not an executable file"),
        ("/bin/true", "is not etcd"),
        ("/etc/passwd", "not an executable file"),
    ],
)
def test_a_binary_that_is_none_is_refused_before_anything_starts(run, binary, words):
    error = run(failing({"binary": binary}))
    assert error.code == "bad-binary"
    assert words in error.text


def test_a_cluster_without_quorum_is_not_ready_and_says_why(run, servers):
    async def body():
        down = [node for node in servers.nodes if node is not await servers.leader()]
        for node in down:
            await node.signal("etcd", signal.SIGSTOP)
        with pytest.raises(Broken, match="not ready after 1 s") as caught:
            await servers.system.wait_ready(servers.cluster, 1)
        assert all(node.name in caught.value.text for node in down)
        client = await servers.client(await_leader, timeout_s=0.5)
        with pytest.raises(Unknown):
            await client.write("k", 1)
        await client.close()
        await servers.heal()

    await_leader = run(servers.leader())
    run(body())


def test_nodes_of_one_cluster_may_run_different_releases_and_be_upgraded(run):
    """Debian's 3.4.23 beside a user's own binary, as a rolling upgrade passes through."""

    async def body():
        cluster = make_cluster("local", run_id=new_run_id(), count=3)
        await cluster.up()
        try:
            system = Etcd(SystemOptions(release="3.4.23,3.3.25"))
            await system.install(cluster)
            await asyncio.gather(*(system.start(cluster, node) for node in cluster.nodes))
            statuses = await system.wait_ready(cluster, 20)
            assert [status.version for status in statuses] == ["3.4.23", "3.3.25", "3.4.23"]
            assert "3.4.23" in system.release
            assert "3.3.25" in system.release
            client = await system.client(cluster.nodes[1:2], 5)
            await client.write("k", "before")
            await client.close()
            await system.upgrade(cluster, cluster.nodes[1], "3.4.23")
            statuses = await system.wait_ready(cluster, 20)
            assert {status.version for status in statuses} == {"3.4.23"}
            client = await system.client(cluster.nodes[1:2], 5)
            assert (await client.read("k")).value == "before"
            await client.close()
        finally:
            await cluster.down()

    run(body())
