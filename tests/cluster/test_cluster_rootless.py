"""Local clusters as an ordinary user: inside a user namespace, with the same results and the same end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
NOBODY = 65534
# Started in the background of a shell, a process ignores SIGINT from birth, and Python then leaves it so.
START = (
    "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from quorate.harness.cluster.local import rootless\nrootless.reexec_if_needed()\n"
)
LIFE = (
    START
    + """
import asyncio, os, signal, sys
from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.node import Daemon
from quorate.harness.cluster.traces import traces_of

async def live() -> None:
    cluster = make_cluster("local", run_id=new_run_id(), count=3)
    await cluster.up()
    first, last = cluster.nodes[0], cluster.nodes[-1]
    script = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8000, Listen => 9);"
    script += "while (my $c = $s->accept) { print $c qq(hello); close $c }"
    await first.start(Daemon("hello", ("/usr/bin/perl", "-e", script), f"{first.directory}/log"))
    for _ in range(200):
        try:
            reader, _ = await asyncio.open_connection(first.address, 8000)
            print((await reader.read()).decode())
            break
        except OSError:
            await asyncio.sleep(0.02)
    print("run", cluster.run_id, flush=True)
    if sys.argv[1] == "wait":
        try:
            await asyncio.sleep(60)
        finally:
            await cluster.down()
            print("healed", flush=True)
    await first.signal("hello", signal.SIGSTOP)
    print(await first.state("hello"))
    host = rootless.outside(lambda: os.readlink("/proc/thread-self/ns/net"))
    print("apart" if host != os.readlink("/proc/thread-self/ns/net") else "together")
    await cluster.wipe()
    await cluster.down()
    print(traces_of(cluster.run_id, engine=False))

asyncio.run(live())
sys.exit(7)
"""
)


def start(user: list[str], *arguments: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([*user, "-c", LIFE, *arguments], stdout=subprocess.PIPE, text=True, cwd="/")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("run "):
            return process, line.split()[1]
    pytest.fail("it did not come up")


def mentions(run_id: str) -> list[str]:
    """Return all processes of the host that have the run's mark."""
    mark = f"QUORATE_RUN={run_id}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found += [path.parent.name] if mark in path.read_bytes() else []
        except OSError:
            continue
    return found


def test_a_cluster_lives_and_ends_and_the_exit_code_comes_through(user: list[str]) -> None:
    done = subprocess.run(
        [*user, "-c", LIFE, "go"], capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 7, done.stderr
    assert lines[0] == "hello"
    assert lines[2:] == ["stopped", "apart", "[]"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_passed_on(user: list[str], signum: int) -> None:
    process, run_id = start(user, "wait")
    process.send_signal(signum)
    rest, _ = process.communicate(timeout=20)
    assert ("healed" in rest) == (signum == signal.SIGINT)  # no handler of SIGTERM here: it ends the command
    assert process.returncode not in (0, 7)
    assert mentions(run_id) == []


def test_after_kill_9_the_kernel_ends_everything(user: list[str]) -> None:
    process, run_id = start(user, "wait")
    process.kill()
    process.wait()
    end = time.monotonic() + 5
    while mentions(run_id) and time.monotonic() < end:
        time.sleep(0.02)
    assert mentions(run_id) == []
    sweeping = "from quorate.harness.cluster import sweep; print(sweep())"
    swept = subprocess.run(
        [*user, "-c", sweeping], capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    assert run_id in swept
    uid = os.geteuid() or NOBODY
    for folder in (f"/var/tmp/quorate-{uid}", f"/tmp/quorate-state-{uid}"):
        assert list(Path(folder).rglob(f"*{run_id}*")) == []


def test_a_machine_without_namespaces_is_told_the_mend() -> None:
    script = "from quorate.harness.cluster.local import rootless\nrootless.obstacle = lambda: 'forbidden'\n"
    script += "import os\nos.geteuid = lambda: 1000\nrootless.reexec_if_needed()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "forbidden" in done.stderr
    assert "max_user_namespaces" in done.stderr
