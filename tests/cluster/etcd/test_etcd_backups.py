"""Backups of real etcd servers: what came back is compared, damage is refused, and a changed byte is seen."""

from __future__ import annotations

import hashlib
import os

import pytest

from quorate.harness.core.backup import NotRestorableError, Reached
from quorate.harness.core.node import ProcessState
from quorate.harness.systems.etcd.operations.backups import DAEMON


@pytest.fixture
def backups(run, servers):
    made = servers.system.backups
    run(made.prepare(servers.cluster))
    return made


async def saved(servers, backups, path):
    """A snapshot of a follower after a few writes; how far it was before, and the last write's revision."""
    client, node = await servers.client(), await servers.follower()
    for value in range(5):
        last = await client.write("backed-up", f"before-{value}")
    await client.add("elements", 7)
    await client.close()
    reached = await backups.save(node, path)
    return node, reached, last.version


def test_what_comes_back_is_what_the_cluster_held(run, servers, backups, tmp_path):
    async def body():
        path = tmp_path / "snapshot.db"
        node, reached, written = await saved(servers, backups, path)
        assert reached.confirmed
        assert reached.position == written + 1
        client = await servers.client()
        await client.write("backed-up", "after")
        await client.close()
        assert await backups.is_whole(path)
        back = await backups.restore(servers.cluster, node, path)
        assert back.position == reached.position
        assert back.differences == ()
        assert back.compared >= 2
        held = {(one.space, one.key): (one.value, one.version) for one in back.held}
        assert held["register", "backed-up"] == ("before-4", written)
        assert held["set", "elements"] == (7, written + 1)
        assert await node.state(DAEMON) is ProcessState.DEAD
        assert "restored" not in (await node.run(["ls", node.directory])).stdout

    run(body())


@pytest.mark.parametrize("left", [0.5, 0.99])
def test_a_part_of_a_snapshot_is_refused(run, servers, backups, tmp_path, left):
    async def body():
        path = tmp_path / "snapshot.db"
        node, _, _ = await saved(servers, backups, path)
        os.truncate(path, int(path.stat().st_size * left))
        assert not await backups.is_whole(path)
        with pytest.raises(NotRestorableError, match=r"sha256|hash"):
            await backups.restore(servers.cluster, node, path)
        assert "restored" not in (await node.run(["ls", node.directory])).stdout

    run(body())


def test_a_changed_byte_under_a_right_checksum_is_seen(run, servers, backups, tmp_path):
    async def body():
        path = tmp_path / "snapshot.db"
        node, _, _ = await saved(servers, backups, path)
        content = path.read_bytes()[:-32].replace(b"before-4", b"beyond-4")
        path.write_bytes(content + hashlib.sha256(content).digest())
        back = await backups.restore(servers.cluster, node, path)
        (different,) = back.differences
        assert different.key == "/register/backed-up"
        assert "beyond-4" in different.of_backup
        assert "before-4" in different.of_cluster

    run(body())


def test_a_server_without_a_quorum_confirms_nothing(run, servers, backups):
    async def body():
        node = await servers.follower()
        await servers.cut_off(node)
        try:
            reached = await backups.reached(node)
            assert reached.position
            assert not reached.confirmed
        finally:
            await servers.cluster.network.heal()
        await servers.ready()
        assert (await backups.reached(node)).confirmed

    run(body())


def test_a_silent_server_tells_nothing(run, servers, backups, tmp_path):
    async def body():
        node = await servers.follower()
        await node.signal("etcd", 9)
        assert await backups.reached(node) == Reached()
        await servers.system.start(servers.cluster, node)
        await servers.ready()

    run(body())
