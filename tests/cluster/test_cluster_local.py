"""Local clusters: real namespaces, real processes."""

# ruff: noqa: ASYNC110, ASYNC240 - tests look at the disk and the process table directly

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from harness.cluster import make_cluster, new_run_id, processes
from harness.cluster.node import Cluster, Daemon, Node, ProcessState
from harness.outcome import Broken

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="network namespaces need root here; rootless has its own test"
    ),
]

PYTHON = "/usr/bin/python3"


@asynccontextmanager
async def cluster_of(count: int) -> AsyncIterator[Cluster]:
    cluster = make_cluster("local", run_id=new_run_id(), count=count)
    await cluster.up()
    try:
        yield cluster
    finally:
        await cluster.down()


def web(node: Node) -> Daemon:
    return Daemon("web", (PYTHON, "-m", "http.server", "8000"), f"{node.directory}/log/web.log")


async def answers(address: str) -> bool:
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection(address, 8000)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return True
    return False


async def wait_for_line(node: Node, path: str, line: str) -> None:
    for _ in range(200):
        if line in (await node.run(["cat", path])).stdout:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"no {line!r} in {path}")


def test_nodes_reach_each_other_and_the_host_reaches_them() -> None:
    async def go() -> None:
        async with cluster_of(3) as cluster:
            first, _, last = cluster.nodes
            await first.start(web(first))
            assert await answers(first.address)
            script = (
                f"import socket; socket.create_connection(('{first.address}', 8000), 2); print('through')"
            )
            assert (await last.run([PYTHON, "-c", script])).stdout == "through\n"

    asyncio.run(go())


def test_a_daemon_is_signalled_with_its_children_and_orphans() -> None:
    async def go() -> None:
        async with cluster_of(1) as cluster:
            (node,) = cluster.nodes
            script = "sleep 1000 & setsid sh -c 'sleep 2000 & echo ready' & wait"
            await node.start(Daemon("family", ("/bin/sh", "-c", script), f"{node.directory}/own.log"))
            await wait_for_line(node, f"{node.directory}/own.log", "ready")
            members = processes.marked(f"QUORATE_RUN={cluster.run_id}")
            assert len(members) == 3  # the shell, its child, and the orphan in a session of its own
            await node.signal("family", signal.SIGSTOP)
            assert await node.state("family") is ProcessState.STOPPED
            assert [processes.entry(pid).state for pid in members] == ["T", "T", "T"]  # type: ignore[union-attr]
            await node.signal("family", signal.SIGCONT)
            assert await node.state("family") is ProcessState.RUNNING
            await node.signal("family", signal.SIGKILL)
            assert await node.state("family") is ProcessState.DEAD
            assert await node.pid("family") is None
            assert processes.marked(f"QUORATE_RUN={cluster.run_id}") == []
            await node.signal("family", signal.SIGKILL)  # dead: no error

    asyncio.run(go())


def test_logs_are_appended_and_a_dead_daemon_starts_again() -> None:
    async def go() -> None:
        async with cluster_of(1) as cluster:
            (node,) = cluster.nodes
            echo = Daemon("echo", ("/bin/echo", "hello"), f"{node.directory}/log")
            for _ in range(2):
                await node.start(echo)
                while await node.state("echo") is not ProcessState.DEAD:
                    await asyncio.sleep(0.01)
            assert (await node.run(["cat", echo.log])).stdout == "hello\nhello\n"

    asyncio.run(go())


def test_commands_keep_their_deadline_and_leave_nothing() -> None:
    async def go() -> None:
        async with cluster_of(1) as cluster:
            (node,) = cluster.nodes
            started = time.monotonic()
            with pytest.raises(Broken, match=r"did not end within 0\.2 s"):
                await node.run(["sh", "-c", "sleep 100 & sleep 100"], timeout_s=0.2)
            assert time.monotonic() - started < 2
            assert processes.marked(f"QUORATE_RUN={cluster.run_id}") == []
            with pytest.raises(Broken, match="code 3: oops"):
                await node.run(["sh", "-c", "echo oops >&2; exit 3"])
            assert (await node.run(["cat"], stdin=b"x" * 100_000)).stdout == "x" * 100_000

    asyncio.run(go())


def test_daemons_that_cannot_start_say_why() -> None:
    async def go() -> None:
        async with cluster_of(1) as cluster:
            (node,) = cluster.nodes
            with pytest.raises(Broken, match="not an executable file"):
                await node.start(Daemon("ghost", (f"{node.directory}/ghost",), f"{node.directory}/own.log"))
            (broken := Path(node.directory, "broken")).write_text("#!/no/such/interpreter\n")
            broken.chmod(0o755)
            with pytest.raises(Broken, match=r"(?i)exec"):
                await node.start(Daemon("broken", (str(broken),), f"{node.directory}/own.log"))
            await node.start(web(node))
            with pytest.raises(Broken, match="runs on n1 already"):
                await node.start(web(node))

    asyncio.run(go())


def test_wipe_leaves_empty_idle_nodes_and_put_is_quick_again(tmp_path: Path) -> None:
    (tmp_path / "server").write_bytes(os.urandom(1 << 20))

    async def go() -> None:
        async with cluster_of(2) as cluster:
            for node in cluster.nodes:
                await node.start(web(node))
                await node.put(tmp_path / "server", f"{node.directory}/bin/server", mode=0o755)
                await node.put(tmp_path / "server", f"{node.directory}/etc/conf")
            copies = [Path(node.directory, "bin/server").stat() for node in cluster.nodes]
            assert copies[0].st_ino == copies[1].st_ino
            assert copies[0].st_mode & 0o777 == 0o755
            await cluster.wipe()
            for node in cluster.nodes:
                assert await node.state("web") is ProcessState.DEAD
                assert list(Path(node.directory).iterdir()) == []
            assert processes.marked(f"QUORATE_RUN={cluster.run_id}") == []
            await cluster.nodes[0].put(tmp_path / "server", f"{node.directory[:-1]}1/bin/server", mode=0o755)
            await cluster.nodes[0].get(f"{cluster.nodes[0].directory}/bin/server", tmp_path / "back")
            assert (tmp_path / "back").read_bytes() == (tmp_path / "server").read_bytes()
            with pytest.raises(Broken, match="not below"):
                await cluster.nodes[0].put(tmp_path / "server", "/usr/bin/oops")
            with pytest.raises(Broken, match="cannot-copy"):
                await cluster.nodes[0].get("/nonexistent", tmp_path / "none")

    asyncio.run(go())


def test_clusters_live_side_by_side_and_leave_nothing() -> None:
    async def go() -> tuple[list[str], list[Path]]:
        async with cluster_of(2) as one, cluster_of(2) as two:
            addresses = {node.address for cluster in (one, two) for node in cluster.nodes}
            assert len(addresses) == 4
            for cluster in (one, two):
                await cluster.nodes[0].start(web(cluster.nodes[0]))
                assert await answers(cluster.nodes[0].address)
            paths = [Path(node.netns or "") for node in (*one.nodes, *two.nodes)]
            assert all(path.exists() for path in paths)
            return [one.run_id, two.run_id], paths

    runs, paths = asyncio.run(go())
    for run in runs:
        assert processes.marked(f"QUORATE_RUN={run}") == []
        assert not Path(f"/sys/class/net/{run}h").exists()
    assert not any(path.exists() for path in paths)
