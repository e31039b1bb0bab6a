"""Backups of real Consul servers: what came back, what is refused, and what a quorum had confirmed."""

from __future__ import annotations

import os
import signal

import pytest

from quorate.harness.core.backup import NotRestorableError
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Unknown
from quorate.harness.systems.consul.operations.backups import DAEMON


@pytest.fixture
def backups(run, servers):
    made = servers.system.backups
    run(made.prepare(servers.cluster))
    return made


async def saved(servers, backups, path):
    """An archive asked of a follower after a few writes, what is known of its freshness, and the last index."""
    client, node = await servers.client(), await servers.follower()
    for value in range(5):
        await client.write("backed-up", f"before-{value}")
    last = await client.add("elements", 7)
    await client.close()
    return node, await backups.save(node, path), last.version


def test_what_comes_back_is_what_was_written(run, servers, backups, tmp_path):
    async def body():
        path = tmp_path / "archive.tgz"
        node, reached, last = await saved(servers, backups, path)
        assert reached.confirmed
        client = await servers.client()
        await client.write("backed-up", "after")
        await client.close()
        assert await backups.is_whole(path)
        back = await backups.restore(servers.cluster, node, path)
        assert back.position >= last
        held = {(one.space, one.key): (one.value, one.version) for one in back.held}
        assert held["register", "backed-up"][0] == "before-4"
        assert held["set", "elements"] == (7, last)
        assert await node.state(DAEMON) is ProcessState.DEAD
        assert "restored" not in (await node.run(["ls", node.directory])).stdout

    run(body())


@pytest.mark.parametrize("left", [0.5, 0.95])
def test_a_part_of_an_archive_is_refused(run, servers, backups, tmp_path, left):
    async def body():
        path = tmp_path / "archive.tgz"
        node, _, _ = await saved(servers, backups, path)
        os.truncate(path, int(path.stat().st_size * left))
        assert not await backups.is_whole(path)
        with pytest.raises(NotRestorableError, match="HTTP 500"):
            await backups.restore(servers.cluster, node, path)

    run(body())


def test_without_a_quorum_nothing_is_confirmed(run, servers, backups, tmp_path):
    async def body():
        leader = await servers.leader()
        await servers.cut_off(leader)
        try:
            try:
                reached = await backups.save(leader, tmp_path / "archive.tgz")
            except Unknown:
                return  # it knows by now that it leads no more, and whom to ask it does not
            assert not reached.confirmed
        finally:
            await servers.cluster.network.heal()
            await servers.ready()

    run(body())


def test_a_dead_server_gives_none(run, servers, backups, tmp_path):
    async def body():
        node = await servers.follower()
        await node.signal("consul", signal.SIGKILL)
        try:
            with pytest.raises(Unknown, match="cut-short"):
                await backups.save(node, tmp_path / "archive.tgz")
        finally:
            await servers.system.start(servers.cluster, node)
            await servers.ready()

    run(body())
