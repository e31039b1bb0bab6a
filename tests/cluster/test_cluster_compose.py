"""A cluster that somebody else wrote for Docker Compose: brought up for a run, or up before and after it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import docker
import pytest

from quorate.harness.cli.main import main
from quorate.harness.cluster import new_run_id
from quorate.harness.cluster.compose import projects, ways
from quorate.harness.cluster.compose.asked import Asked, members
from quorate.harness.cluster.compose.cluster import ComposeCluster
from quorate.harness.cluster.compose.node import ComposeNode
from quorate.harness.cluster.compose.turns import Turns
from quorate.harness.cluster.docker import images
from quorate.harness.cluster.docker.engine import Engine
from quorate.harness.cluster.factory import engine_answers
from quorate.harness.cluster.traces import traces_of
from quorate.harness.core.clock import until
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import Test
from quorate.harness.run import run
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.releases import resolve
from tests.cluster import needs

FILE = Path(__file__).parents[1] / "data/compose/docker-compose.yml"
IMAGE = "coordination/etcd:under-test"
THREE = ("n1=etcd-a", "n2=etcd-b", "n3=etcd-c")
PORT = 2379

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="enters containers: needs root"),
    needs.program("docker-compose", "docker-compose"),
    pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers"),
]


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("QUORATE_STATE_DIR", str(tmp_path / "state"))  # never sweep another user's runs here


@pytest.fixture(scope="module")
def image():
    """A vendor's kind of image: a server, and nothing of quorate's."""
    needs.or_skip(Etcd(SystemOptions(release="3.7.3")))
    with tempfile.TemporaryDirectory(prefix="quorate-image-") as folder:
        shutil.copy(resolve("etcd", "3.7.3").binary, f"{folder}/etcd")
        Path(folder, "Dockerfile").write_text(
            f'FROM {images.ensure_image("base")}\nCOPY etcd /usr/local/bin/etcd\nCMD ["etcd"]\n'
        )
        docker.from_env().images.build(path=folder, tag=IMAGE, rm=True)
    yield IMAGE
    with contextlib.suppress(docker.errors.ImageNotFound):  # another worker made it too, and was done first
        docker.from_env().images.remove(IMAGE, force=True)


def written(folder):
    """The file in a folder with another name than all others: compose calls the project so."""
    own = folder / f"shop{new_run_id()[1:]}"
    own.mkdir()
    return Path(shutil.copy(FILE, own / FILE.name))


@pytest.fixture
def file(image, tmp_path):
    return written(tmp_path)


def compose(file, *words):
    subprocess.run(["docker-compose", "-f", str(file), *words], check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def theirs(image, tmp_path_factory):
    own = written(tmp_path_factory.mktemp("theirs"))
    compose(own, "up", "-d")
    yield own
    compose(own, "down", "-v", "-t", "0")


@pytest.fixture
def up(theirs):
    """One that is up for its owner; whatever a test does, its containers are the same and up afterwards."""
    before = {name: one.id for name, one in containers(theirs).items()}
    yield theirs
    after = containers(theirs)
    assert {name: one.id for name, one in after.items()} == before
    assert {one.status for one in after.values()} == {"running"}


def containers(file):
    found = docker.from_env().containers.list(
        all=True, filters={"label": f"com.docker.compose.project={file.parent.name}"}
    )
    return {one.labels["com.docker.compose.service"]: one for one in found}


def tables(container):
    pid = docker.from_env().api.inspect_container(container.id)["State"]["Pid"]
    listed = subprocess.run(
        ["nsenter", "-t", str(pid), "-n", "nft", "list", "tables"], check=True, capture_output=True, text=True
    )
    return [line for line in listed.stdout.splitlines() if "quorate" in line]


def asked(file, **more):
    return Asked(file, members(THREE), PORT, **more)


def conducted(file, tmp_path, **more):
    return run(
        Test(
            **{
                "cluster": "compose",
                "file": str(file),
                "service": THREE,
                "store": str(tmp_path / "store"),
                "fault_interval": 3.0,
                "seed": 7,
                **more,
            }
        )
    )


def said(done):
    return f"{done.results.reason}\n{(done.folder / 'quorate.log').read_text()[-3000:]}"


def bitten(done):
    return {row.fault for row in done.results.faults if row.outcome == "ok"}


def test_a_project_is_brought_up_broken_and_removed(file, tmp_path):
    done = conducted(file, tmp_path, faults=("partition", "kill"), time=18.0)
    assert done.verdict == "valid", said(done)
    assert bitten(done) == {"partition", "kill"}
    assert '"ready to serve client requests"' in (done.folder / "nodes/n2/etcd-b.log").read_text()
    record = json.loads((done.folder / "test.json").read_text())
    assert "set up by somebody else" in record["release"]
    assert traces_of(record["run_id"]) == []


def test_what_is_up_already_stays_up_and_as_it_was(up, tmp_path):
    done = conducted(
        up, tmp_path, faults=("kill", "pause", "packet"), time=24.0, settings={"packet.mode": "slow"}
    )
    assert done.verdict == "valid", said(done)
    assert bitten(done) == {"kill", "pause", "packet"}
    after = containers(up)
    assert [tables(after[service]) for service in ("etcd-a", "etcd-b", "etcd-c")] == [[], [], []]


def test_clocks_of_servers_that_outlive_the_run_are_left_alone(up, tmp_path, capsys):
    assert refused(up, tmp_path, "-f", "clock", "--time", "30s") == 4
    assert "is up already" in capsys.readouterr().err


def test_clocks_of_a_project_that_is_up_for_the_run_are_skewed(file, tmp_path):
    done = conducted(file, tmp_path, faults=("clock",), time=12.0)
    assert done.verdict == "valid", said(done)
    assert bitten(done) == {"clock"}


def test_one_run_at_a_time_is_a_guest(up):
    async def both():
        first, second = (ComposeCluster(new_run_id(), asked(up)) for _ in range(2))
        await first.up()
        try:
            # A lock of this process would be no obstacle to itself: another process asks.
            code = (
                "import asyncio\n"
                "from pathlib import Path\n"
                "from quorate.harness.cluster.compose.asked import Asked, members\n"
                "from quorate.harness.cluster.compose.cluster import ComposeCluster\n"
                f"asked = Asked(Path({str(up)!r}), members({THREE!r}), {PORT})\n"
                f"asyncio.run(ComposeCluster({second.run_id!r}, asked).up())\n"
            )
            return await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            await first.down()

    tried = asyncio.run(both())
    assert f"another run tests the compose project {up.parent.name} just now" in tried.stderr


def test_a_member_that_is_down_beforehand_is_told(up, tmp_path):
    containers(up)["etcd-b"].kill()
    try:
        with pytest.raises(Broken, match=r"is up, but not its etcd-b"):
            conducted(up, tmp_path, time=3.0)
    finally:
        containers(up)["etcd-b"].start()
    assert not (tmp_path / "store").exists()


def test_a_container_that_the_engine_starts_again_by_itself_has_died(up):
    async def seen():
        cluster = ComposeCluster(new_run_id(), asked(up, entered=True))
        await cluster.up()
        try:
            node = cluster.nodes[0]
            os.kill(node.init, signal.SIGKILL)  # not through the engine: `restart: unless-stopped` holds
            await until(lambda: node.ended("etcd"), bool, deadline_s=30, poll_s=0.1)
            found = await node.state("etcd"), await node.ended("etcd")
            await node.start(None)
            return *found, await node.state("etcd")
        finally:
            await cluster.down()

    assert asyncio.run(seen()) == (
        ProcessState.DEAD,
        "its container ended and was started again",
        ProcessState.RUNNING,
    )


def test_members_that_died_together_come_back_where_they_were(up):
    async def moved():
        cluster = ComposeCluster(new_run_id(), asked(up, entered=True))
        await cluster.up()
        try:
            before = [node.address for node in cluster.nodes]
            await asyncio.gather(*(node.signal("etcd", signal.SIGKILL) for node in cluster.nodes))
            assert {await node.state("etcd") for node in cluster.nodes} == {ProcessState.DEAD}
            await cluster.network.cut(frozenset({("n1", "n2")}))  # with no server there to be cut off
            await asyncio.gather(*(node.start(None) for node in reversed(cluster.nodes)))
            arrived = await cluster.network.probe([("n1", "n2"), ("n2", "n1")])
            return before, [node.address for node in cluster.nodes], arrived
        finally:
            await cluster.down()

    before, after, arrived = asyncio.run(moved())
    assert after == before
    assert arrived == {("n1", "n2"): False, ("n2", "n1"): True}  # the cut is in force in the new networks


def test_servers_are_reached_at_a_published_port_where_their_network_is_not(image):
    async def found():
        engine = Engine()
        server = docker.from_env().containers.run(
            image, ["etcd", "--listen-client-urls=http://0.0.0.0:2379", "--advertise-client-urls=http://x:2379"],
            detach=True, ports={"2379/tcp": ("127.0.0.1", None)}, labels={"quorate.test": "published"},
        )  # fmt: skip
        try:
            seen = projects.inspect(engine.api, server.id)
            node = ComposeNode(
                "n1", seen, engine, Turns(), network=None, port=PORT, door=None, note=lambda *_: None
            )
            await ways.find(node, only_inner=False)
            await node.signal("etcd", signal.SIGSTOP)
            states = [await node.state("etcd")]
            await node.signal("etcd", signal.SIGCONT)
            states.append(await node.state("etcd"))
            await node.signal("etcd", signal.SIGKILL)
            return node.address, node.port, [*states, await node.state("etcd"), await node.ended("etcd")]
        finally:
            server.remove(force=True)
            engine.close()

    address, port, states = asyncio.run(found())
    assert address == "127.0.0.1"
    assert port not in {None, PORT}
    assert states == [
        ProcessState.STOPPED, ProcessState.RUNNING, ProcessState.DEAD, "killed by signal 9 (SIGKILL)"
    ]  # fmt: skip


DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from quorate.harness.cluster.compose.asked import Asked, members
from quorate.harness.cluster.compose.cluster import ComposeCluster

async def live():
    asked = Asked(Path(sys.argv[1]), members(sys.argv[3].split(",")), 2379, entered=True)
    cluster = ComposeCluster(sys.argv[2], asked)
    await cluster.up()
    await cluster.nodes[0].signal("etcd", signal.SIGKILL)
    await cluster.nodes[1].signal("etcd", signal.SIGSTOP)
    await cluster.network.cut(frozenset({("n1", "n3"), ("n2", "n3")}))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(live())
"""
SWEEP = "from quorate.harness.cluster import sweep; print(sweep())"


def die_and_sweep(file):
    run_id = new_run_id()
    words = [sys.executable, "-c", DYING, str(file), run_id, ",".join(THREE)]
    died = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    swept = subprocess.run(
        [sys.executable, "-c", SWEEP], capture_output=True, text=True, timeout=120, check=True
    )
    return run_id, swept.stdout


def test_a_kill_of_the_harness_leaves_nothing_of_ours(file):
    run_id, swept = die_and_sweep(file)
    assert "1 compose project" in swept
    assert run_id in swept
    assert traces_of(run_id) == []


def test_a_kill_of_the_harness_leaves_somebody_elses_servers_as_they_were(up):
    run_id, swept = die_and_sweep(up)
    assert f"{run_id}: left 3 containers of somebody's compose project as they were" in swept
    assert traces_of(run_id) == []
    found = containers(up)
    for service in ("etcd-a", "etcd-b", "etcd-c"):
        assert tables(found[service]) == []
        top = found[service].attrs["State"]["Pid"]
        assert "T" not in Path(f"/proc/{top}/stat").read_text().rpartition(")")[2].split()[0]


def refused(file, tmp_path, *words, service="n1=etcd-a,n2=etcd-b,n3=etcd-c"):
    command = ["quorate", "test", "etcd", "--cluster", "compose", "--file", str(file), "--service", service]
    with (
        mock.patch.object(sys, "argv", [*command, "--store", str(tmp_path / "store"), *words]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert not (tmp_path / "store").exists()
    return int(ended.value.code or 0)


def test_a_service_that_the_file_lacks_is_told(file, tmp_path, capsys):
    assert refused(file, tmp_path, service="n1=etcd-a,n2=etcd-x") == 4
    assert 'has no service etcd-x - did you mean "etcd-c"? (it has etcd-a, etcd-b, etcd-c, shop)' in (
        capsys.readouterr().err
    )


def test_a_file_that_is_none_is_told(file, tmp_path, capsys):
    file.write_text("services: [")
    assert refused(file, tmp_path) == 4
    assert "while parsing" in capsys.readouterr().err
    assert refused(file.with_name("none.yml"), tmp_path) == 4
    assert "no such file" in capsys.readouterr().err


def test_a_network_that_is_others_too_is_not_cut(file, tmp_path, capsys):
    file.write_text(file.read_text().replace("networks: [coordination]", "network_mode: host"))
    assert refused(file, tmp_path, "-f", "partition", "--time", "20s") == 4
    assert "etcd-a shares its network (network_mode host)" in capsys.readouterr().err


def test_without_a_compose_program_the_command_that_mends_it_is_told(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(file, tmp_path) == 4
    assert "apt-get install docker-compose" in capsys.readouterr().err


def test_without_an_engine_the_way_to_one_is_told(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert refused(file, tmp_path) == 3
    assert "no Docker engine answers" in capsys.readouterr().err
