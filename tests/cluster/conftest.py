"""What tests on real clusters share: an ordinary user, wherever the tests run as root, and hosts with sshd."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import docker
import paramiko
import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.cluster.docker import images
from quorate.harness.cluster.factory import engine_answers
from quorate.harness.core.exits import Exit
from quorate.harness.core.fault import Scene
from quorate.harness.core.node import Daemon, Node
from quorate.harness.core.outcome import OutcomeError
from quorate.harness.core.system import SystemOptions
from quorate.harness.run.requirements import CANNOT
from quorate.harness.systems.etcd import Etcd
from tests.cluster.needs import or_skip
from tests.cluster.servers import Run, outcome

ROOT = Path(__file__).parents[2]
NOBODY = 65534
HOSTS = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of one system's servers as such that need real ones."""
    for item in items:
        if item.path.parent.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.cluster)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="network namespaces need root here"))


@pytest.fixture(scope="session", name="outcome")
def outcome_fixture() -> Any:
    return outcome


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    """Return what runs a coroutine on the loop that the servers of one system live on."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="session")
def user() -> list[str]:
    """Return the start of a command line that runs Python with quorate as an ordinary user."""
    become = (
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    )
    paths = f"{ROOT}:{sysconfig.get_paths()['purelib']}"
    environment = ["env", "-i", "HOME=/tmp", f"PATH={os.environ['PATH']}", f"PYTHONPATH={paths}"]
    for python in (sys.executable, "/usr/bin/python3"):  # root's own Python may be out of the user's reach
        command = [*become, *environment, "PYTHONDONTWRITEBYTECODE=1", python]
        tried = subprocess.run(
            [*command, "-c", "import quorate.harness.cluster"], capture_output=True, check=False, cwd="/"
        )
        if tried.returncode == 0:
            break
    else:
        pytest.skip("no Python that an ordinary user can run quorate with")
    probe = "from quorate.harness.cluster.local.rootless import obstacle; print(obstacle() or '')"
    problem = subprocess.run(
        [*command, "-c", probe], capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    if problem.strip():
        pytest.skip(f"this machine forbids user namespaces: {problem.strip()}")
    return command


class Site:
    """Containers with sshd, alive for the whole session on a separate loop."""

    prepare = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        # By exec, for such containers may change their firewall; the SSH cluster has no other way in either.
        self.cluster = make_cluster(
            "docker", run_id=new_run_id(), count=HOSTS, image_kind="ssh", force_exec=True
        )

    def up(self) -> None:
        self.call(self._up())

    def down(self) -> None:
        self.call(self.cluster.down())
        self.loop.call_soon_threadsafe(self.loop.stop)

    def call(self, work: object) -> object:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)  # type: ignore[arg-type]

    def inventory(self, user: str, **more: object) -> Path:
        path = self.folder / f"{user}.toml"
        settings = {
            "user": user,
            "directory": "/srv/quorate",
            "key": str(self.folder / "key"),
            "known_hosts": str(self.folder / "known"),
            **more,
        }
        lines = [
            f"{key} = {str(value).lower() if value is True else repr(value)}"
            for key, value in settings.items()
        ]
        lines += [f'[[hosts]]\nhost = "{node.address}"' for node in self.cluster.nodes]
        path.write_text("\n".join(lines) + "\n")
        return path

    async def look(self, script: str) -> list[str]:
        """Run a script in each container past SSH."""
        return [(await node.run(["sh", "-c", script])).stdout for node in self.cluster.nodes]

    async def _up(self) -> None:
        await self.cluster.up()
        key = paramiko.ECDSAKey.generate()
        key.write_private_key_file(str(self.folder / "key"))
        public = f"{key.get_name()} {key.get_base64()}"
        script = f"""set -e
        {self.prepare}
        mkdir -p /run/sshd /root/.ssh
        rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
        useradd -m -s /bin/sh tester; mkdir -p /home/tester/.ssh
        echo 'tester ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tester
        for home in /root /home/tester; do echo '{public}' >$home/.ssh/authorized_keys; done
        chown -R tester /home/tester; chmod 700 /root/.ssh /home/tester/.ssh
        cat /etc/ssh/ssh_host_ed25519_key.pub"""
        known = []
        for node in self.cluster.nodes:
            host_key = (await node.run(["sh", "-c", script], timeout_s=30)).stdout.split()
            known.append(f"{node.address} {host_key[-3]} {host_key[-2]}\n")
            await node.start(Daemon("sshd", ("/usr/sbin/sshd", "-D", "-e"), "/var/log/sshd.log"))
        (self.folder / "known").write_text("".join(known))
        for node in self.cluster.nodes:
            await _accepts(node)


class MountingSite(Site):
    """Such hosts whose root may mount, as on a user's machines."""

    prepare = "mknod /dev/loop-control c 10 237; for i in $(seq 0 63); do mknod /dev/loop$i b 7 $i; done"

    async def _up(self) -> None:
        make = docker.APIClient.create_host_config

        def granting(api: docker.APIClient, **given: Any) -> Any:
            given["cap_add"] = [*given["cap_add"], "SYS_ADMIN"]
            given["device_cgroup_rules"] = [
                "b 7:* rwm",
                "c 10:237 rwm",
            ]  # loop devices, and who gives them out
            return make(api, **given)

        with mock.patch.object(docker.APIClient, "create_host_config", granting):
            await super()._up()


async def _accepts(node: Node) -> None:
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection(node.address, 22)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    pytest.fail(f"sshd on {node.name} does not answer")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from _alive(Site, tmp_path_factory)


@pytest.fixture(scope="module")
def mounting_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from _alive(MountingSite, tmp_path_factory)


def _alive(kind: type[Site], folders: pytest.TempPathFactory) -> Iterator[Site]:
    if not engine_answers():
        pytest.skip("no Docker engine answers: no hosts with sshd")
    images.ensure_image("ssh")
    made = kind(folders.mktemp("ssh"))
    try:
        made.up()
        yield made
    finally:
        made.down()


@asynccontextmanager
async def etcd_scene(
    release: str | None = None, faults: Sequence[Any] = (), **settings: str
) -> AsyncIterator[Scene]:
    """Three real etcd servers in namespaces with writers at each, and what the faults want done beforehand."""
    system = Etcd(SystemOptions(release=release, settings=settings))
    async with running_scene(system, faults) as scene:
        yield scene


@asynccontextmanager
async def running_scene(system: Any, faults: Sequence[Any] = ()) -> AsyncIterator[Scene]:
    """Three real servers in namespaces, with writers at each."""
    or_skip(system)
    cluster = make_cluster("local", run_id=new_run_id(), count=3)
    scene = Scene(cluster, system)
    await cluster.up()
    writers: list[asyncio.Task[None]] = []
    try:
        await system.install(cluster)
        for fault in faults:
            if hasattr(fault, "prepare"):
                await fault.prepare(scene)
        await asyncio.gather(*(system.start(cluster, node) for node in cluster.nodes))
        await system.wait_ready(cluster, 60)
        for fault in faults:
            if hasattr(fault, "begin"):
                await fault.begin(scene)
        writers += [asyncio.create_task(_write(scene, number)) for number in range(3)]
        yield scene
    finally:
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        if hasattr(system, "close"):
            await system.close()
        await cluster.down()


async def _write(scene: Scene, number: int) -> None:
    client: Any = await scene.system.client(list(scene.cluster.nodes), 1.0)
    for value in itertools.count():
        with contextlib.suppress(OutcomeError):
            await client.write(f"k{number}", value)
        await asyncio.sleep(0.005)


@pytest.fixture
def etcd() -> Callable[..., Any]:
    """Return `etcd_scene`: an asynchronous context manager."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces of the test's own")
    return etcd_scene


@pytest.fixture
def serving() -> Callable[..., Any]:
    """Return `running_scene`: an asynchronous context manager."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces of the test's own")
    return running_scene


@pytest.fixture
def quorate_test(tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Return `quorate test` with these words: its exit code, and what it prints as JSON."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        command = [
            sys.executable,
            "-m",
            "quorate.harness.cli.main",
            "test",
            *words,
            "--json",
            "--store",
            str(tmp_path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode == Exit.BROKEN and CANNOT in done.stderr:
            pytest.skip(done.stderr.strip())
        assert done.stdout.strip(), done.stderr
        return done.returncode, json.loads(done.stdout.strip().splitlines()[-1])

    return run
