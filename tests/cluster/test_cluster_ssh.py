"""Clusters over SSH against real sshd in containers: as root, and as a user with sudo."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from quorate.harness.cluster import make_cluster, new_run_id, sweep
from quorate.harness.core.node import Cluster, Daemon, ProcessState
from quorate.harness.core.outcome import Broken
from tests.cluster.hello import answer, hello, serves

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["root", "tester"])
def inventory(site: Any, request: pytest.FixtureRequest) -> Path:
    user: str = request.param
    return site.inventory(user, **({} if user == "root" else {"sudo": True}))


@contextlib.asynccontextmanager
async def over_ssh(inventory: Path, count: int = 2) -> AsyncIterator[Cluster]:
    cluster = make_cluster("ssh", run_id=new_run_id(), count=count, inventory=inventory)
    await cluster.up()
    try:
        yield cluster
    finally:
        await cluster.down()


def test_life_of_a_server(inventory: Path) -> None:
    async def go() -> None:
        async with over_ssh(inventory) as cluster:
            first, last = cluster.nodes
            await first.start(hello(first))
            await serves(first)
            with pytest.raises(Broken, match="runs on n1 already"):
                await first.start(hello(first))
            assert await first.state("hello") is ProcessState.RUNNING
            assert (first.netns, await first.pid("hello")) == (None, None)
            for signum, state in (
                (signal.SIGSTOP, ProcessState.STOPPED),
                (signal.SIGCONT, ProcessState.RUNNING),
                (signal.SIGKILL, ProcessState.DEAD),
            ):
                await first.signal("hello", signum)
                assert await first.state("hello") is state
            assert await first.ended("hello") == "killed by signal 9 (SIGKILL)"
            assert await last.ended("hello") is None
            assert await answer(first.address) == b""
            await first.start(hello(first))
            await serves(first)
            assert (await first.run(["cat", hello(first).log])).stdout == "up\nup\n"
            await cluster.network.cut(frozenset({(last.name, first.name)}))
            assert await cluster.network.probe([("n2", "n1"), ("n1", "n2")]) == {
                ("n2", "n1"): False,
                ("n1", "n2"): True,
            }
            await cluster.network.heal()
            assert await cluster.network.probe([("n2", "n1")]) == {("n2", "n1"): True}
            await cluster.wipe()
            assert await first.state("hello") is ProcessState.DEAD
            assert (await first.run(["ls", "-A"])).stdout == ""

    asyncio.run(go())


def test_commands_and_bad_daemons(inventory: Path) -> None:
    async def go() -> None:
        async with over_ssh(inventory, 1) as cluster:
            (node,) = cluster.nodes
            assert (await node.run(["id", "-u"])).stdout == "0\n"
            with pytest.raises(Broken, match=r"did not end within 0\.3 s"):
                await node.run(["sh", "-c", "sleep 100 & sleep 100"], timeout_s=0.3)
            assert (await node.run(["pgrep", "-fx", "sleep 100"], check=False)).stdout == ""
            with pytest.raises(Broken, match="code 3: oops"):
                await node.run(["sh", "-c", "echo oops >&2; exit 3"])
            told = await node.run(["sh", "-c", "printf out; printf err >&2; exit 4"], check=False)
            assert (told.code, told.stdout, told.stderr) == (4, "out", "err")
            assert (await node.run(["cat"], stdin=b"a'\n\"$x" * 10_000)).stdout == "a'\n\"$x" * 10_000
            big = await node.run(
                ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; head -c 100000 /dev/zero >&2"]
            )
            assert (len(big.stdout), len(big.stderr)) == (3_000_000, 100_000)
            many = await asyncio.gather(*(node.run(["echo", str(number)]) for number in range(30)))
            assert [one.stdout for one in many] == [f"{number}\n" for number in range(30)]
            log = f"{node.directory}/log"
            with pytest.raises(Broken, match="not an executable file"):
                await node.start(Daemon("ghost", (f"{node.directory}/ghost",), log))
            await node.run(["sh", "-c", "echo '#!/no/such/interpreter' >broken; chmod +x broken"])
            with pytest.raises(Broken, match="could not be executed"):
                await node.start(Daemon("broken", (f"{node.directory}/broken",), log))
            await node.start(Daemon("short", ("/bin/echo", "was here"), log))
            assert await node.state("short") is ProcessState.DEAD

    asyncio.run(go())


def test_files(inventory: Path, tmp_path: Path) -> None:
    content = os.urandom(2 << 20)
    (tmp_path / "server").write_bytes(content)

    async def go() -> None:
        async with over_ssh(inventory, 1) as cluster:
            (node,) = cluster.nodes
            for _ in range(2):
                await node.put(tmp_path / "server", f"{node.directory}/some/server", mode=0o755)
                await node.put(tmp_path / "server", f"{node.directory}/etc/a file", mode=0o600)
                shown = (
                    await node.run(["stat", "-c", "%a %s %U", "some/server", "etc/a file"])
                ).stdout.split()
                assert shown == ["755", str(len(content)), "root", "600", str(len(content)), "root"]
                await cluster.wipe()
            await node.put(tmp_path / "server", f"{node.directory}/etc/a file", mode=0o600)
            await node.get(f"{node.directory}/etc/a file", tmp_path / "back" / "server")
            assert (tmp_path / "back" / "server").read_bytes() == content
            with pytest.raises(Broken, match="nonexistent"):
                await node.get("/nonexistent", tmp_path / "none")

    asyncio.run(go())


def test_hosts_are_left_as_they_were_and_serve_one_run_at_a_time(site: Any) -> None:
    inventory = site.inventory("root")

    async def go() -> None:
        async with over_ssh(inventory) as cluster:
            await cluster.nodes[0].start(hello(cluster.nodes[0]))
            with pytest.raises(Broken, match=f"used by the run {cluster.run_id}"):
                async with over_ssh(inventory, 1):
                    pytest.fail("two runs have one host")
            await serves(cluster.nodes[0])
            await cluster.network.cut(frozenset({("n1", "n2")}))

    asyncio.run(go())
    assert seen_by(site, "ls /srv; nft list tables | grep quorate; pgrep perl; true") == [""] * 3


def test_after_kill_9_the_next_start_leaves_the_hosts_clean(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_STATE_DIR", str(tmp_path / "state"))
    inventory = site.inventory("root")
    script = f"""
import asyncio, os
from pathlib import Path
from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.node import Daemon
async def live():
    cluster = make_cluster("ssh", run_id=new_run_id(), count=2, inventory=Path({str(inventory)!r}))
    await cluster.up()
    for node in cluster.nodes:
        argv = ("/bin/sh", "-c", "sleep 300 & setsid sleep 400 & wait")
        await node.start(Daemon("server", argv, node.directory + "/log"))
    await cluster.network.cut(frozenset({{("n1", "n2")}}))
    os.kill(os.getpid(), 9)
asyncio.run(live())
"""
    subprocess.run(
        [sys.executable, "-c", script], check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    look = "ls /srv; nft list tables | grep quorate; pgrep -f 'sleep [34]00'; true"
    assert all("quorate" in words for words in seen_by(site, look)[:2])
    assert len(sweep()) == 1
    assert seen_by(site, look) == [""] * 3


def test_strangers_are_refused_with_the_mend(site: Any, tmp_path: Path) -> None:
    async def go(inventory: Path, match: str) -> None:
        with pytest.raises(Broken, match=match):
            async with over_ssh(inventory, 1):
                pytest.fail("it let us in")

    (tmp_path / "empty").write_text("")
    asyncio.run(go(site.inventory("root", known_hosts=str(tmp_path / "empty")), "ssh-keyscan"))
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "other"))
    asyncio.run(go(site.inventory("root", key=str(tmp_path / "other")), "authorized keys"))
    asyncio.run(go(site.inventory("root", key=str(tmp_path / "empty")), "private key"))
    asyncio.run(go(site.inventory("root", port=2), "cannot log in"))


def test_a_command_is_quick(site: Any) -> None:
    async def go() -> float:
        async with over_ssh(site.inventory("root"), 1) as cluster:
            (node,) = cluster.nodes
            await node.run(["true"])
            started = time.monotonic()
            for _ in range(20):
                await node.run(["true"])
            return (time.monotonic() - started) / 20

    assert asyncio.run(go()) < 0.04  # a delayed acknowledgement alone would take that long


def seen_by(site: Any, script: str) -> list[str]:
    """Run a script in each container past SSH."""

    async def look() -> list[str]:
        return [(await node.run(["sh", "-c", script])).stdout for node in site.cluster.nodes]

    return list(site.call(look()))  # type: ignore[call-overload]
