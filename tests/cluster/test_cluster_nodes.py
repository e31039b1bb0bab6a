"""One node interface, three ways: network namespaces, containers entered, containers by exec only."""

# ruff: noqa: ASYNC240 - tests look at the disk directly

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.cluster.docker import engine, images
from quorate.harness.cluster.factory import engine_answers
from quorate.harness.cluster.traces import traces_of
from quorate.harness.core.node import Cluster, Daemon, Node, ProcessState
from quorate.harness.core.outcome import Broken
from tests.cluster.hello import answer, eventually, hello, serves

pytestmark = pytest.mark.cluster

KINDS = ["local", "docker", "exec"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name != "exec" and os.geteuid() != 0:
        pytest.skip("needs root: namespaces and the pids of containers; rootless has its own test")
    if name != "local" and not engine_answers():
        pytest.skip("no Docker engine answers")
    return name


@asynccontextmanager
async def cluster_of(kind: str, count: int) -> AsyncIterator[Cluster]:
    cluster = make_cluster(
        "local" if kind == "local" else "docker", run_id=new_run_id(), count=count, force_exec=kind == "exec"
    )
    await cluster.up()
    try:
        yield cluster
    finally:
        await cluster.down()


async def processes_of(node: Node, run_id: str) -> set[str]:
    """Return the sleeps of this run, as the node itself sees them (a local node sees the whole host)."""
    script = (
        "for p in /proc/[0-9]*; do tr '\\0' ' ' 2>/dev/null <$p/cmdline | grep -q '^sleep [12]00 $' "
        "&& tr '\\0' '\\n' <$p/environ | grep -qx QUORATE_RUN=$1 && echo $p; done; true"
    )
    return set((await node.run(["sh", "-c", script, "look", run_id])).stdout.split())


def test_life_of_a_server(kind: str) -> None:
    async def go() -> None:
        async with cluster_of(kind, 2) as cluster:
            first, last = cluster.nodes
            assert [first.name, last.name] == ["n1", "n2"]
            assert await first.state("hello") is ProcessState.DEAD
            assert await first.pid("hello") is None
            await first.start(hello(first))
            await serves(first)  # the host reaches the node, and below a node reaches the other
            with pytest.raises(Broken, match="runs on n1 already"):
                await first.start(hello(first))
            script = f"print IO::Socket::INET->new(PeerAddr => '{first.address}:8000', Timeout => 2)->getline"
            assert (await last.run(["perl", "-MIO::Socket::INET", "-e", script])).stdout == "hello\n"
            assert await first.state("hello") is ProcessState.RUNNING
            assert (await first.pid("hello") is None) == (kind == "exec")
            await first.signal("hello", signal.SIGSTOP)
            assert await first.state("hello") is ProcessState.STOPPED
            await first.signal("hello", signal.SIGCONT)
            assert await first.state("hello") is ProcessState.RUNNING
            await first.signal("hello", signal.SIGKILL)
            assert await first.state("hello") is ProcessState.DEAD
            await first.signal("hello", signal.SIGKILL)  # dead: no error
            assert await answer(first.address) == b""
            await first.start(hello(first))
            await serves(first)
            assert (await first.run(["cat", hello(first).log])).stdout == "up\nup\n"  # appended

    asyncio.run(go())


@pytest.mark.parametrize(
    ("last", "told"), [("exit 3", "exit code 3"), ("kill -ABRT $$", "killed by signal 6 (SIGABRT)")]
)
def test_how_a_server_ended_is_known(kind: str, last: str, told: str) -> None:
    async def go() -> None:
        async with cluster_of(kind, 1) as cluster:
            (node,) = cluster.nodes
            assert await node.ended("brief") is None
            await node.start(
                Daemon("brief", ("/bin/sh", "-c", f"sleep 0.3; {last}"), f"{node.directory}/log")
            )

            async def dead() -> bool:
                return await node.state("brief") is ProcessState.DEAD

            await eventually(dead, "the server has ended")
            assert await node.ended("brief") == told

    asyncio.run(go())


def test_signals_reach_children_and_orphans(kind: str) -> None:
    async def go() -> None:
        async with cluster_of(kind, 1) as cluster:
            (node,) = cluster.nodes
            script = "sleep 100 & setsid sh -c 'sleep 200 & echo ready' & wait"
            await node.start(Daemon("family", ("/bin/sh", "-c", script), f"{node.directory}/own.log"))

            async def ready() -> bool:
                return "ready" in (await node.run(["cat", f"{node.directory}/own.log"])).stdout

            await eventually(ready, "the family has started")
            both = await processes_of(node, cluster.run_id)
            assert len(both) == 2
            await node.signal("family", signal.SIGSTOP)
            states = (
                await node.run(["sh", "-c", f"cat {' '.join(f'{one}/stat' for one in sorted(both))}"])
            ).stdout
            assert [line.split()[2] for line in states.splitlines()] == ["T", "T"]
            await node.signal("family", signal.SIGKILL)

            async def gone() -> bool:
                return await processes_of(node, cluster.run_id) == set()

            await eventually(gone, "child and orphan are dead")

    asyncio.run(go())


def test_commands_and_bad_daemons(kind: str) -> None:
    async def go() -> None:
        async with cluster_of(kind, 1) as cluster:
            (node,) = cluster.nodes
            started = time.monotonic()
            with pytest.raises(Broken, match=r"did not end within 0\.5 s"):
                await node.run(["sh", "-c", "sleep 100 & sleep 100"], timeout_s=0.5)
            assert time.monotonic() - started < 5
            assert (
                await processes_of(node, cluster.run_id) == set()
            )  # the deadline killed what it had started
            with pytest.raises(Broken, match="code 3: oops"):
                await node.run(["sh", "-c", "echo oops >&2; exit 3"])
            failed = await node.run(["sh", "-c", "echo out; echo err >&2; exit 4"], check=False)
            assert (failed.code, failed.stdout, failed.stderr) == (4, "out\n", "err\n")
            assert (await node.run(["cat"], stdin=b"x" * 100_000)).stdout == "x" * 100_000
            assert (await node.run(["pwd"])).stdout.strip() == node.directory
            log = f"{node.directory}/log"
            with pytest.raises(Broken, match="not an executable file"):
                await node.start(Daemon("ghost", (f"{node.directory}/ghost",), log))
            await node.run(["sh", "-c", "echo '#!/no/such/interpreter' >broken; chmod +x broken"])
            with pytest.raises(Broken, match="cannot-start"):
                await node.start(Daemon("broken", (f"{node.directory}/broken",), log))
            await node.start(Daemon("short", ("/bin/echo", "was here"), log))  # ran and ended: no error

            async def dead() -> bool:
                return await node.state("short") is ProcessState.DEAD

            await eventually(dead, "a short daemon ends")
            assert "was here\n" in (await node.run(["cat", log])).stdout

    asyncio.run(go())


def test_files_and_wipe(kind: str, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "server").write_bytes(content)

    async def go() -> None:
        async with cluster_of(kind, 2) as cluster:
            for node in cluster.nodes:
                await node.start(hello(node))
                await node.put(tmp_path / "server", f"{node.directory}/some/bin/server", mode=0o755)
                await node.put(tmp_path / "server", f"{node.directory}/etc/file with blanks")
            node = cluster.nodes[0]
            shown = (
                await node.run(["stat", "-c", "%a %s", "some/bin/server", "etc/file with blanks"])
            ).stdout
            assert shown.split() == ["755", str(len(content)), "644", str(len(content))]
            await cluster.wipe()
            for node in cluster.nodes:
                assert await node.state("hello") is ProcessState.DEAD
                assert (await node.run(["ls", "-A"])).stdout == ""
                assert await answer(node.address) == b""
            await node.put(tmp_path / "server", f"{node.directory}/some/bin/server", mode=0o755)
            await node.get(f"{node.directory}/some/bin/server", tmp_path / "back" / "server")
            assert (tmp_path / "back" / "server").read_bytes() == content
            (tmp_path / "server").write_bytes(content[:-1] + b"!")  # another file of the same size
            await node.put(tmp_path / "server", f"{node.directory}/some/bin/server", mode=0o755)
            await node.get(f"{node.directory}/some/bin/server", tmp_path / "back" / "server")
            assert (tmp_path / "back" / "server").read_bytes() == content[:-1] + b"!"
            with pytest.raises(Broken, match="nonexistent"):
                await node.get("/nonexistent", tmp_path / "none")
            with pytest.raises(Broken, match="nonexistent"):
                await node.put(tmp_path / "nonexistent", f"{node.directory}/none")
            await node.start(hello(node))
            await serves(node)

    asyncio.run(go())


def test_a_local_node_writes_only_below_its_directory(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")

    async def go() -> None:
        async with cluster_of("local", 1) as cluster:
            with pytest.raises(Broken, match="not below"):
                await cluster.nodes[0].put(tmp_path, "/usr/bin/oops")

    asyncio.run(go())


def test_a_node_has_the_host_s_namespace_where_it_can_be_entered(kind: str) -> None:
    async def go() -> None:
        async with cluster_of(kind, 1) as cluster:
            (node,) = cluster.nodes
            if kind == "exec":
                assert node.netns is None
                assert (await node.run(["nft", "add", "table", "inet", "mine"])).code == 0  # with NET_ADMIN
            else:
                assert node.netns is not None
                seen = (await node.run(["readlink", "/proc/self/ns/net"])).stdout.strip()
                assert seen == f"net:[{Path(node.netns).stat().st_ino}]"

    asyncio.run(go())


def test_clusters_live_side_by_side(kind: str) -> None:
    async def go() -> None:
        async with cluster_of(kind, 1) as one, cluster_of(kind, 1) as two:
            assert one.nodes[0].address != two.nodes[0].address
            for cluster in (one, two):
                await cluster.nodes[0].start(hello(cluster.nodes[0]))
                await serves(cluster.nodes[0])
            await one.down()
            await one.down()  # twice is not an error
            assert await answer(two.nodes[0].address) == b"hello\n"

    asyncio.run(go())


@pytest.mark.parametrize("kind", ["docker", "exec"], indirect=True)
def test_an_image_without_a_shell_is_lent_one(kind: str, tmp_path: Path) -> None:
    api = engine.connect()
    name = f"quorate-test-{new_run_id()}"
    container = api.create_container(images.ensure_image(), ["true"])["Id"]
    chunks, _ = api.get_archive(container, "/bin/busybox")
    (tmp_path / "busybox.tar").write_bytes(b"".join(chunks))  # this one program is all that the image holds
    api.remove_container(container)
    api.import_image_from_file(str(tmp_path / "busybox.tar"), name, "bare")
    try:

        async def go() -> None:
            cluster = make_cluster(
                "docker", run_id=new_run_id(), count=1, image=f"{name}:bare", force_exec=kind == "exec"
            )
            await cluster.up()
            try:
                (node,) = cluster.nodes
                daemon = Daemon("web", ("/busybox", "httpd", "-f", "-p", "8000"), f"{node.directory}/log")
                await node.start(daemon)
                await node.signal("web", signal.SIGSTOP)
                assert await node.state("web") is ProcessState.STOPPED
                await cluster.wipe()
                assert await node.state("web") is ProcessState.DEAD
                assert (await node.run(["ls", "-A"])).stdout == ""
            finally:
                await cluster.down()

        asyncio.run(go())
    finally:
        api.remove_image(f"{name}:bare", force=True)


def test_an_image_that_is_not_there_is_named() -> None:
    if not engine_answers():
        pytest.skip("no Docker engine answers")

    async def go() -> None:
        run_id = new_run_id()
        cluster = make_cluster("docker", run_id=run_id, count=1, image="quorate-no-such-image")
        with pytest.raises(Broken, match="quorate-no-such-image"):
            await cluster.up()
        assert traces_of(run_id) == []

    asyncio.run(go())
