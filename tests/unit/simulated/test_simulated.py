"""The simulated system: capabilities, and that cuts, kills and pauses do to it what they do to a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from quorate.harness.core.clock import clock_of, run_real, run_virtual
from quorate.harness.core.node import Daemon, ProcessState
from quorate.harness.core.outcome import Broken, Refused, Unknown
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import UsageError
from quorate.harness.systems.simulated import BUGS, Simulated, SimulatedCluster


class World:
    def __init__(self, names: list[str], seed: int, bug: str) -> None:
        self.cluster = SimulatedCluster("run", names, Random(seed), clock_of(asyncio.get_running_loop()))
        self.system = Simulated(SystemOptions(settings={"bug": bug}))

    async def up(self) -> World:
        await self.cluster.up()
        await self.system.install(self.cluster)
        await self.start_all()
        await self.system.wait_ready(self.cluster, 10)
        return self

    async def start_all(self) -> None:
        for node in self.cluster.nodes:
            await self.system.start(self.cluster, node)

    async def client(self, *names: str, timeout_s: float = 1.0):
        return await self.system.client([self.cluster.node(name) for name in names], timeout_s)

    async def leader(self) -> str:
        for status in await self.system.status(self.cluster):
            if status.role == "leader" and status.healthy:
                return status.node
        raise AssertionError("no leader")

    async def isolate(self, name: str) -> None:
        others = [node.name for node in self.cluster.nodes if node.name != name]
        await self.cluster.network.cut(
            frozenset(pair for other in others for pair in ((name, other), (other, name)))
        )


def world(body: Callable[[World], Awaitable[object]], *, nodes: int = 3, seed: int = 1, bug: str = "none"):
    async def main():
        made = await World([f"n{i}" for i in range(1, nodes + 1)], seed, bug).up()
        result = await body(made)
        await made.cluster.down()
        return result

    return run_virtual(main())


@pytest.mark.parametrize("nodes", [1, 2, 3, 5, 7])
def test_every_size_elects_one_leader(nodes):
    async def body(w: World):
        statuses = await w.system.status(w.cluster)
        assert [status.role for status in statuses].count("leader") == 1
        await (await w.client("n1")).write("k", 1)

    world(body, nodes=nodes)


def test_a_killed_node_refuses_for_certain_and_its_data_survive():
    async def body(w: World):
        client = await w.client("n1")
        await client.write("k", 1)
        for node in w.cluster.nodes:
            await node.signal("simulated", SIGKILL)
            assert await node.state("simulated") == ProcessState.DEAD
        with pytest.raises(Refused, match="connection-refused"):
            await client.read("k")
        with pytest.raises(Refused, match="connection-refused"):
            await w.client("n2")
        assert not any(status.healthy for status in await w.system.status(w.cluster))
        await w.start_all()
        await w.system.wait_ready(w.cluster, 10)
        assert (await client.read("k")).value == 1

    world(body)


def test_a_request_under_way_in_a_kill_is_unknown():
    async def body(w: World):
        leader = await w.leader()
        client = await w.client(leader)
        await w.isolate(leader)
        pending = asyncio.create_task(client.write("k", 1))
        await asyncio.sleep(0.05)
        await w.cluster.node(leader).signal("simulated", SIGKILL)
        with pytest.raises(Unknown, match="connection-reset"):
            await pending

    world(body)


def test_a_leader_that_dies_is_replaced_and_a_client_that_knows_all_nodes_goes_on():
    async def body(w: World):
        client = await w.client("n1", "n2", "n3")
        await client.write("k", 1)
        first = await w.leader()
        await w.cluster.node(first).signal("simulated", SIGKILL)
        await asyncio.sleep(1)
        assert await w.leader() != first
        assert (await client.read("k")).value == 1

    world(body)


def test_a_cut_off_leader_answers_nobody_and_the_majority_goes_on():
    async def body(w: World):
        old = await w.leader()
        inside = await w.client(old)
        outside = await w.client(next(node.name for node in w.cluster.nodes if node.name != old))
        await outside.write("k", 1)
        await w.isolate(old)
        with pytest.raises((Unknown, Refused)):
            await inside.write("k", 2)
        with pytest.raises((Unknown, Refused)):
            await inside.read("k")
        await asyncio.sleep(0.5)
        await outside.write("k", 3)
        assert await w.leader() != old
        await w.cluster.network.heal()
        await w.system.wait_ready(w.cluster, 5)
        assert (await inside.read("k")).value == 3

    world(body)


def test_no_majority_means_no_service_until_it_is_back():
    async def body(w: World):
        client = await w.client("n1")
        for name in ("n2", "n3"):
            await w.cluster.node(name).signal("simulated", SIGKILL)
        await asyncio.sleep(1)
        with pytest.raises((Unknown, Refused)):
            await client.write("k", 1)
        with pytest.raises(Broken, match="not healthy after 1 s"):
            await w.system.wait_ready(w.cluster, 1)
        await w.start_all()
        await w.system.wait_ready(w.cluster, 5)
        await client.write("k", 2)

    world(body)


def test_a_cut_is_directed():
    async def body(w: World):
        network = w.cluster.network
        await network.cut(frozenset({("n1", "n2")}))
        assert await network.probe([("n1", "n2"), ("n2", "n1"), ("n1", "n3")]) == {
            ("n1", "n2"): False, ("n2", "n1"): True, ("n1", "n3"): True,
        }  # fmt: skip
        await network.heal()
        assert await network.probe([("n1", "n2")]) == {("n1", "n2"): True}

    world(body)


def test_a_paused_node_is_silent_and_goes_on_where_it_was():
    async def body(w: World):
        paused = await w.leader()
        node = w.cluster.node(paused)
        client = await w.client(paused)
        await client.write("k", 1)
        await node.signal("simulated", SIGSTOP)
        assert await node.state("simulated") == ProcessState.STOPPED
        with pytest.raises(Unknown, match="timeout"):
            await client.write("k", 2)
        other = await w.client(next(each.name for each in w.cluster.nodes if each.name != paused))
        await other.write("k", 3)
        await node.signal("simulated", SIGCONT)
        # It believes for a moment that it leads; it must not answer from what it knew.
        assert (await client.read("k")).value == 3

    world(body)


def test_what_waited_in_a_paused_node_happens_after_it():
    async def body(w: World):
        leader = await w.leader()
        follower = next(node.name for node in w.cluster.nodes if node.name != leader)
        node = w.cluster.node(follower)
        client = await w.client(follower, timeout_s=5)
        await node.signal("simulated", SIGSTOP)
        write = asyncio.create_task(client.write("k", 7))
        await asyncio.sleep(1)
        assert not write.done()
        await node.signal("simulated", SIGCONT)
        # Its first deed may be an election, in which requests are refused for certain.
        (outcome,) = await asyncio.gather(write, return_exceptions=True)
        written = None if isinstance(outcome, Refused) else 7
        assert written is None or outcome.version > 0
        await w.system.wait_ready(w.cluster, 5)
        assert (await client.read("k")).value == written

    world(body)


def test_locks_of_a_session_that_ended_come_free():
    async def body(w: World):
        one, other = await w.client("n1"), await w.client("n2")
        await one.acquire("l")
        await one.close()
        await asyncio.sleep(0.5)
        await other.acquire("l")

    world(body)


def test_wipe_forgets_everything():
    async def body(w: World):
        await (await w.client("n1")).write("k", 1)
        await w.isolate("n2")
        await w.cluster.wipe()
        assert [await node.state("simulated") for node in w.cluster.nodes] == [ProcessState.DEAD] * 3
        await w.start_all()
        await w.system.wait_ready(w.cluster, 5)
        assert (await (await w.client("n1")).read("k")).value is None

    world(body)


def test_nodes_have_files_and_no_shell(tmp_path: Path):
    async def body(w: World):
        node = w.cluster.nodes[0]
        (tmp_path / "in").write_text("hello")
        await node.put(tmp_path / "in", "/x/y")
        await node.get("/x/y", tmp_path / "out")
        assert (tmp_path / "out").read_text() == "hello"
        await node.get(w.system.log_files(node)[0], tmp_path / "log")
        assert "start" in (tmp_path / "log").read_text()
        with pytest.raises(Broken, match="no file"):
            await node.get("/nothing", tmp_path / "x")
        with pytest.raises(Broken, match="no command 'ls'"):
            await node.run(["ls"])
        assert (await node.run(["ls"], check=False)).code == 127
        with pytest.raises(Broken, match="can only start"):
            await node.start(Daemon("etcd", ("/bin/etcd",), "/log"))
        await node.signal("etcd", SIGKILL)
        assert await node.state("simulated") == ProcessState.RUNNING

    world(body)


def test_an_unknown_bug_is_refused_with_the_nearest_one():
    with pytest.raises(UsageError, match='did you mean "stale-read"'):
        Simulated(SystemOptions(settings={"bug": "stale-reads"}))
    assert set(BUGS) >= {"stale-read", "lost-write", "dirty-read", "split-brain", "double-apply", "reorder"}


def test_it_runs_in_real_time_too():
    async def main():
        made = await World(["n1", "n2", "n3"], 1, "none").up()
        client = await made.client("n1")
        await client.write("k", 1)
        return (await client.read("k")).value

    assert run_real(main()) == 1


def test_the_same_seed_takes_the_same_course():
    async def body(w: World):
        client = await w.client("n1", "n2", "n3")
        loop = asyncio.get_running_loop()
        return [((await client.write("k", n)).version, loop.time()) for n in range(50)]

    assert world(body, seed=5) == world(body, seed=5)
    assert world(body, seed=5) != world(body, seed=6)
