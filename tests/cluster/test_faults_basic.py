"""Partition, kill and pause on real nodes: network namespaces, and the way through commands in the nodes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.cluster.network import EnteredNetwork, ExecutedNetwork, network_for
from quorate.harness.core.fault import Scene
from quorate.harness.core.node import Cluster, Daemon, Network, Node, ProcessState
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import NodeStatus, System
from quorate.nemesis import Nemesis, parse
from quorate.nemesis.logs import wait_for_text
from tests.cluster.needs import program

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes network namespaces"),
]

# Answers each datagram with its own address and stays until it is killed.
SERVER = (
    "use IO::Socket::INET; $| = 1;"
    "my $s = IO::Socket::INET->new(LocalPort => 8000, Proto => 'udp', ReuseAddr => 1) or die $!;"
    "print qq(up\n); while (1) { $s->recv(my $m, 100); $s->send($m) }"
)


class Echo:
    """A system without wits: n2 leads as long as it runs."""

    name = daemon = "echo"
    membership = None
    theirs = False
    logs = System.logs

    def __init__(self) -> None:
        self.argv: tuple[str, ...] = ("/usr/bin/perl", "-e", SERVER)

    async def start(self, cluster: Cluster, node: Node) -> None:  # noqa: ARG002
        await node.start(Daemon("echo", self.argv, f"{node.directory}/echo.log"))

    async def stop(self, node: Node) -> None:
        await node.signal("echo", signal.SIGTERM)

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        return [
            NodeStatus(
                node.name,
                healthy=await node.state("echo") is ProcessState.RUNNING,
                role="leader" if node.name == "n2" else "follower",
            )
            for node in cluster.nodes
        ]

    def log_files(self, node: Node) -> Sequence[str]:
        return [f"{node.directory}/echo.log"]


@asynccontextmanager
async def scene_of(count: int) -> AsyncIterator[Scene]:
    cluster = make_cluster("local", run_id=new_run_id(), count=count)
    await cluster.up()
    try:
        system: Any = Echo()
        for node in cluster.nodes:
            await system.start(cluster, node)
        yield Scene(cluster, system)
    finally:
        await cluster.down()


def nemesis_of(faults: str, seed: int = 1) -> Nemesis:
    return Nemesis.from_mix(parse(faults), interval_s=5, time_s=60, rng=Random(seed))


def everyone(nodes: Sequence[Node]) -> list[tuple[str, str]]:
    return [(one.name, other.name) for one in nodes for other in nodes if one is not other]


def rules_of(node: Node) -> str:
    command = ["nsenter", f"--net={node.netns}", "nft", "list", "ruleset"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def answers(node: Node) -> bool:
    """Whether a client on the host side gets an answer from the node's server."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        for _ in range(50):
            try:
                client.connect((node.address, 8000))
                await loop.sock_sendall(client, b"hello")
                async with asyncio.timeout(0.1):
                    return await loop.sock_recv(client, 100) == b"hello"
            except (TimeoutError, OSError):
                await asyncio.sleep(0.01)
    return False


@program("nft", "nftables")
@pytest.mark.parametrize("driver", [EnteredNetwork, ExecutedNetwork])
def test_cuts_are_exact_in_both_directions_and_leave_foreign_rules_alone(
    driver: Callable[[Sequence[Node]], Network],
):
    foreign = "table ip mine { chain c { type filter hook input priority 0; tcp dport 9 drop; }; }"

    async def body() -> None:
        async with scene_of(4) as scene:
            nodes = scene.cluster.nodes
            await nodes[0].run(["nft", foreign])
            network = driver(nodes)
            pairs = everyone(nodes)
            assert all((await network.probe(pairs)).values())
            rng = Random(5)
            for size in (1, 5, len(pairs), 3):
                cut = frozenset(rng.sample(pairs, size))
                await network.cut(cut)
                arrived = await network.probe(pairs)
                assert {pair for pair in pairs if not arrived[pair]} == cut
                # Clients are never cut, whatever is.
                assert all(await asyncio.gather(*(answers(node) for node in nodes)))
            await network.heal()
            await network.heal()
            assert all((await network.probe(pairs)).values())
            assert "tcp dport 9 drop" in rules_of(nodes[0])
            for node in nodes:
                assert "probe" not in rules_of(node)

    asyncio.run(body())


def test_established_connections_are_cut_as_well():
    async def body() -> None:
        async with scene_of(2) as scene:
            first, second = scene.cluster.nodes
            script = (
                "use IO::Socket::INET; $| = 1; my $c = IO::Socket::INET->new("
                f"PeerAddr => '{second.address}', PeerPort => 8000, Proto => 'udp');"
                "sub ask { $c->send('x'); my $r = ''; eval { local $SIG{ALRM} = sub { die }; "
                "alarm 1; $c->recv($r, 9); alarm 0 }; return $r eq 'x' ? 'yes' : 'no' }"
                "print ask(), qq(\\n); <STDIN>; print ask(), qq(\\n);"
            )
            assert await answers(second)
            process = await asyncio.create_subprocess_exec(
                "nsenter", f"--net={first.netns}", "perl", "-e", script,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            assert process.stdin is not None
            assert await process.stdout.readline() == b"yes\n"
            await scene.cluster.network.cut(frozenset([("n2", "n1")]))
            process.stdin.write(b"\n")
            assert await process.stdout.readline() == b"no\n"
            await process.wait()

    asyncio.run(body())


def test_network_for_enters_where_it_can():
    async def body() -> None:
        async with scene_of(2) as scene:
            assert isinstance(network_for(scene.cluster.nodes, "x"), EnteredNetwork)

    asyncio.run(body())


async def step(nemesis: Nemesis, number: int) -> Any:
    outcome = await nemesis.act(nemesis.entries[number].invocation())
    assert outcome.type == "ok", outcome
    return outcome.value


@pytest.mark.parametrize("target", ["leader", "majority", "bridge", "leader-deaf", "n1+n3"])
def test_a_partition_is_proved_and_counted(target: str):
    async def body() -> None:
        async with scene_of(5) as scene:
            nemesis = nemesis_of(f"partition:{target}")
            nemesis.attach(scene)
            value = await step(nemesis, 0)
            if target.startswith("leader"):
                assert list(value["plan"]["nodes"]) == ["n2"]
            assert value["proof"]["data"]["inject_ms"] < 1000
            healed = await step(nemesis, 1)
            assert healed["proof"]["data"]["dropped"] >= value["proof"]["data"]["dead"]
            assert await nemesis.heal_all(scene) == []

    asyncio.run(body())


@pytest.mark.parametrize(("fault", "state"), [("kill", ProcessState.DEAD), ("pause", ProcessState.STOPPED)])
def test_servers_are_hit_and_come_back(fault: str, state: ProcessState):
    async def body() -> None:
        async with scene_of(3) as scene:
            nemesis = nemesis_of(f"{fault}:minority,{fault}:all,{fault}:leader")
            nemesis.attach(scene)
            for number in range(0, 6, 2):
                before = {node.name: await node.pid("echo") for node in scene.cluster.nodes}
                value = await step(nemesis, number)
                hit = [node.name for node in scene.cluster.nodes if await node.state("echo") is state]
                assert hit == list(value["plan"]["nodes"])
                await step(nemesis, number + 1)
                for node in scene.cluster.nodes:
                    assert await answers(node)
                    assert (await node.pid("echo") != before[node.name]) == (
                        fault == "kill" and node.name in hit
                    )

    asyncio.run(body())


def test_a_server_that_cannot_start_again_is_told_with_its_last_words():
    async def body() -> None:
        async with scene_of(2) as scene:
            nemesis = nemesis_of("kill:n1")
            nemesis.attach(scene)
            await step(nemesis, 0)
            system: Any = scene.system
            system.argv = ("/usr/bin/perl", "-e", "select undef, undef, undef, .1; die qq(disk on fire\n)")
            outcome = await nemesis.act(nemesis.entries[1].invocation())
            assert outcome.type == "info"
            assert "n1 did not come back" in outcome.value["proof"]["text"]
            assert "disk on fire" in outcome.value["proof"]["text"]

    asyncio.run(body())


class Unseen:
    """A node whose processes this host does not see."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def pid(self, daemon: str) -> int | None:  # noqa: ARG002
        return None


@pytest.mark.parametrize("seen", [True, False])
def test_a_server_is_killed_at_a_line_of_its_log(seen: bool):  # noqa: FBT001
    async def body() -> None:
        async with scene_of(1) as scene:
            node: Any = scene.cluster.nodes[0] if seen else Unseen(scene.cluster.nodes[0])
            log = Path(scene.system.log_files(node)[0])
            await node.run(["sh", "-c", f"echo or never, or nev >>{log}"])  # only what is new counts
            writer = asyncio.create_task(node.run(["sh", "-c", f"sleep 0.3; echo now or never >>{log}"]))
            begin = time.monotonic()
            await wait_for_text(node, "echo", [str(log)], "or nev", 5)
            assert time.monotonic() - begin >= 0.25
            await writer
            with pytest.raises(Broken, match="no log of n1 said"):
                await wait_for_text(node, "echo", [str(log)], "or nev", 0.1)

    asyncio.run(body())


def test_a_kill_waits_for_its_line():
    async def body() -> None:
        async with scene_of(2) as scene:
            settings = {"kill.on": "good bye", "kill.within": "3s"}
            nemesis = Nemesis.from_mix(
                parse("kill:n1"), interval_s=5, time_s=60, rng=Random(1), settings=settings
            )
            nemesis.attach(scene)
            acting = asyncio.create_task(nemesis.act(nemesis.entries[0].invocation()))
            await asyncio.sleep(0.2)
            assert not acting.done()
            node = scene.cluster.nodes[0]
            await node.run(["sh", "-c", f"echo good bye >>{scene.system.log_files(node)[0]}"])
            outcome = await acting
            assert outcome.type == "ok", outcome
            assert "good bye" in outcome.value["proof"]["text"]
            await step(nemesis, 1)

    asyncio.run(body())


def mix(faults: str, **settings: str) -> Nemesis:
    given = {name.replace("_", "."): value for name, value in settings.items()}
    return Nemesis.from_mix(parse(faults), interval_s=5, time_s=60, rng=Random(1), settings=given)


def test_a_partition_waits_for_its_line_and_comes_and_goes():
    async def body() -> None:
        async with scene_of(3) as scene:
            nemesis = mix(
                "partition:n1", partition_on="good bye", partition_flap="50ms", partition_heard="any"
            )
            nemesis.attach(scene)
            acting = asyncio.create_task(nemesis.act(nemesis.entries[0].invocation()))
            await asyncio.sleep(0.2)
            assert not acting.done()
            node = scene.cluster.nodes[2]
            await node.run(["sh", "-c", f"echo good bye >>{scene.system.log_files(node)[0]}"])
            outcome = await acting
            assert outcome.type == "ok", outcome
            assert 'at "good bye" in a server\'s log' in outcome.value["proof"]["text"]
            seen = set()
            for _ in range(60):
                seen.add((await scene.cluster.network.probe([("n1", "n2")]))["n1", "n2"])
                await asyncio.sleep(0.01)
            assert seen == {True, False}
            healed = await step(nemesis, 1)
            assert "came and went every 0.05 s" in healed["proof"]["text"]
            await asyncio.sleep(0.15)
            assert all((await scene.cluster.network.probe(everyone(scene.cluster.nodes))).values())

    asyncio.run(body())


def test_a_restarted_server_is_cut_off_beside_another_cut_and_let_in_again():
    async def body() -> None:
        async with scene_of(3) as scene:
            nemesis = mix("restart:n1", restart_then="partition", restart_after="20ms")
            nemesis.attach(scene)
            await scene.cluster.network.cut(frozenset([("n2", "n3")]))
            value = await step(nemesis, 0)
            assert "cut off 20 ms after it began: 4 directions dead, by probe" in value["proof"]["text"]
            assert await answers(scene.cluster.nodes[0])  # a client
            await step(nemesis, 1)
            arrived = await scene.cluster.network.probe(everyone(scene.cluster.nodes))
            assert {pair for pair, alive in arrived.items() if not alive} == {("n2", "n3")}

    asyncio.run(body())


def test_one_kind_of_connection_dies_and_the_others_live():
    async def body() -> None:
        async with scene_of(3) as scene:
            system: Any = scene.system
            system.channels = {"data": (2888,), "echo": (8000, 8001)}
            listens = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 2888, Listen => 5); "
            for node in scene.cluster.nodes:
                argv = ("/usr/bin/perl", "-e", listens + "while (my $c = $s->accept) { sleep 60 }")
                await node.start(Daemon("listener", argv, f"{node.directory}/listener.log"))
            nemesis = mix("channel:n1", channel_name="data")
            nemesis.suit(system)
            nemesis.attach(scene)
            first, second, _ = scene.cluster.nodes
            async with talking(first, second) as ask:
                assert await ask() == "yes"
                value = await step(nemesis, 0)
                assert (
                    value["proof"]["text"] == "data: 4 ways silent, 8 of other channels answer, by connection"
                )
                assert await ask() == "no"  # established before
                await step(nemesis, 1)
            assert all((await scene.cluster.network.probe(everyone(scene.cluster.nodes))).values())

    asyncio.run(body())


@asynccontextmanager
async def talking(source: Node, target: Node) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Hold a connection to port 2888 from within a node; each question says whether a byte is acknowledged."""
    script = (
        "use IO::Socket::INET; use Socket qw(IPPROTO_TCP); $| = 1; my $c;"
        f"for (1..100) {{ $c = IO::Socket::INET->new(PeerAddr => '{target.address}', PeerPort => 2888, Proto => 'tcp')"
        " and last; select undef, undef, undef, .05 } $c or die;"  # the listener may have just begun
        "while (<STDIN>) { $c->send('x'); select undef, undef, undef, .15;"
        # TCP_INFO: byte 24 on are the packets that were not acknowledged
        "print unpack('x24 L', getsockopt($c, IPPROTO_TCP, 11)) ? qq(no\n) : qq(yes\n) }"
    )
    process = await asyncio.create_subprocess_exec(
        "nsenter", f"--net={source.netns}", "perl", "-e", script,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip

    async def ask() -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        return (await process.stdout.readline()).decode().strip()

    try:
        yield ask
    finally:
        process.kill()
        await process.wait()


def test_everything_is_healed_even_while_an_injection_is_cancelled():
    async def body() -> None:
        async with scene_of(3) as scene:
            nemesis = nemesis_of("partition:all,pause:all")
            nemesis.attach(scene)
            acts: list[Awaitable[Any]] = []
            for name in ("partition", "pause"):
                entry = next(entry for entry in nemesis.entries if entry.fault == name)
                task = asyncio.create_task(nemesis.act(entry.invocation()))
                acts.append(task)
                await asyncio.sleep(0.002)
                task.cancel()
            await asyncio.gather(*acts, return_exceptions=True)
            await nemesis.heal_all(scene)
            assert all((await scene.cluster.network.probe(everyone(scene.cluster.nodes))).values())
            for node in scene.cluster.nodes:
                assert await node.state("echo") is ProcessState.RUNNING
                await node.signal("echo", signal.SIGKILL)

    asyncio.run(body())
