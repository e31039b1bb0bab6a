"""Backups of real ZooKeeper servers, which have an admin server for them: what came back, and what is refused."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.backup import NotRestorableError
from quorate.harness.core.fault import make
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.zookeeper import ZooKeeper
from quorate.harness.systems.zookeeper.operations.backups import DAEMON
from tests.cluster.needs import or_skip
from tests.cluster.servers import Run, Servers


@pytest.fixture(scope="module")
def prepared(run: Run) -> Iterator[Servers]:
    """Servers that were started with what backups need: the shared ones have no admin server."""
    system = ZooKeeper(SystemOptions(release="3.9.5"))
    or_skip(system)
    cluster = make_cluster("local", run_id=new_run_id(), count=3)

    async def start() -> Servers:
        await cluster.up()
        await system.install(cluster)
        await system.backups.prepare(cluster)
        await asyncio.gather(*(system.start(cluster, node) for node in cluster.nodes))
        await system.wait_ready(cluster, 60)
        return Servers(cluster, system, 5.0)

    try:
        yield run(start())
    finally:
        run(cluster.down())


async def saved(servers, path):
    client, node = await servers.client(), await servers.follower()
    for value in range(5):
        written = await client.write("backed/up", f"before-{value}")
    added = await client.add("elements", 7)
    await client.close()
    return node, await servers.system.backups.save(node, path), written.version, added.version


def test_what_comes_back_is_what_was_written(run, prepared, tmp_path):
    async def body():
        path, backups = tmp_path / "snapshot", prepared.system.backups
        node, reached, written, added = await saved(prepared, path)
        assert reached.confirmed
        client = await prepared.client()
        await client.write("backed/up", "after")
        await client.close()
        assert await backups.is_whole(path)
        back = await backups.restore(prepared.cluster, node, path)
        assert back.position >= added
        held = {(one.space, one.key): (one.value, one.version) for one in back.held}
        assert held["register", "backed/up"] == ("before-4", written)
        assert held["set", "elements"] == (7, added)
        assert await node.state(DAEMON) is ProcessState.DEAD
        assert "restored" not in (await node.run(["ls", node.directory])).stdout

    run(body())


@pytest.mark.parametrize("left", [0.5, 0.95])
def test_a_part_of_a_snapshot_is_refused(run, prepared, tmp_path, left):
    async def body():
        path, backups = tmp_path / "snapshot", prepared.system.backups
        node, _, _, _ = await saved(prepared, path)
        os.truncate(path, int(path.stat().st_size * left))
        assert not await backups.is_whole(path)
        with pytest.raises(NotRestorableError, match="to restore"):
            await backups.restore(prepared.cluster, node, path)

    run(body())


def test_a_server_without_a_quorum_confirms_nothing(run, prepared, tmp_path):
    async def body():
        node = await prepared.follower()
        await prepared.cut_off(node)
        try:
            reached = await prepared.system.backups.save(node, tmp_path / "snapshot")
            assert not reached.confirmed
        except Exception as error:  # noqa: BLE001 - one that serves no client gives no snapshot either
            assert "not-saved" in str(error) or "cut-short" in str(error)  # noqa: PT017
        finally:
            await prepared.cluster.network.heal()
            await prepared.ready()

    run(body())


@pytest.mark.parametrize(
    ("release", "settings", "message"),
    [
        ("3.8.6", {}, "3.9 and later have"),
        ("3.9.5,3.8.6", {}, "3.9 and later have"),
        ("3.9.5", {"auth": "yes"}, "auth=yes"),
    ],
)
def test_what_is_needed_is_told_before_the_start(release, settings, message):
    system = ZooKeeper(SystemOptions(release=release, settings=settings))
    with pytest.raises(UsageError, match=message):
        make("backup", {}).suits(system)
