"""What is left of a run whose harness was killed: nothing, after the next start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import docker
import pytest

from quorate.harness.cluster import make_cluster, new_run_id, sweep
from quorate.harness.cluster.factory import engine_answers
from quorate.harness.cluster.traces import traces_of

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="needs root: namespaces; without it, they die with the harness"
    ),
]

ROOT = Path(__file__).parents[2]
KEPT = """
import asyncio, os, signal, sys
from quorate.harness.cluster import make_cluster

async def live() -> None:
    cluster = make_cluster(sys.argv[1], run_id=sys.argv[2], count=1)
    await cluster.up()
    if sys.argv[3] == "keep":
        cluster.keep()
        await cluster.down()
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(live())
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_STATE_DIR", str(tmp_path / "state"))  # never sweep another user's runs here


@pytest.fixture(params=["local", "docker"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "docker" and not engine_answers():
        pytest.skip("no Docker engine answers")
    return name


def live_and_die(kind: str, run_id: str, keep: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", KEPT, kind, run_id, keep], check=False, timeout=60, env=environment)


def sweep_elsewhere() -> str:
    """Sweep in another process, for this one holds its own ledgers."""
    command = [sys.executable, "-c", "from quorate.harness.cluster import sweep; print(sweep(engine=True))"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.parametrize(("which", "times"), [("local", 10), ("docker", 3)])
def test_kills_at_random_moments_leave_nothing(which: str, times: int) -> None:
    if which == "docker" and not engine_answers():
        pytest.skip("no Docker engine answers")
    done = subprocess.run(
        [sys.executable, "bench/kill9.py", "--kind", which, "--times", str(times)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_next_start_sweeps(kind: str) -> None:
    run_id = new_run_id()
    live_and_die(kind, run_id, "no")
    assert len(traces_of(run_id)) > 1

    async def go() -> None:
        cluster = make_cluster(kind, run_id=new_run_id(), count=1)
        await cluster.up()
        await cluster.down()

    asyncio.run(go())
    assert traces_of(run_id) == []


def test_a_kept_cluster_stays_until_it_is_cleaned(kind: str) -> None:
    run_id = new_run_id()
    live_and_die(kind, run_id, "keep")
    before = traces_of(run_id)
    assert len(before) > 1
    sweep()
    assert traces_of(run_id) == before
    assert any(run_id in line for line in sweep(kept_too=True))
    assert traces_of(run_id) == []


def test_a_living_run_is_left_alone(kind: str) -> None:
    async def go() -> None:
        cluster = make_cluster(kind, run_id=new_run_id(), count=1)
        await cluster.up()
        try:
            swept = await asyncio.to_thread(sweep_elsewhere)
            assert cluster.run_id not in swept
            assert (await cluster.nodes[0].run(["echo", "alive"])).stdout == "alive\n"
        finally:
            await cluster.down()
        assert traces_of(cluster.run_id) == []

    asyncio.run(go())


def test_a_failed_start_leaves_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = new_run_id()

    async def go() -> None:
        cluster = make_cluster(kind, run_id=run_id, count=2)
        for node_class in (
            "quorate.harness.cluster.local.node.LocalNode",
            "quorate.harness.cluster.docker.node.DockerNode",
        ):
            monkeypatch.setattr(f"{node_class}.prepare", _fail)
        with pytest.raises(OSError, match="disk full"):
            await cluster.up()

    asyncio.run(go())
    assert traces_of(run_id) == []


@pytest.mark.parametrize("after_s", [0.01, 0.03, 0.2, 0.5])
def test_a_start_that_is_interrupted_leaves_nothing(kind: str, after_s: float) -> None:
    run_id = new_run_id()

    async def go() -> None:
        cluster = make_cluster(kind, run_id=run_id, count=2)
        starting = asyncio.ensure_future(cluster.up())
        await asyncio.sleep(after_s)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        await cluster.down()

    asyncio.run(go())
    assert traces_of(run_id) == []


@pytest.mark.parametrize("making", ["create_network", "create_container"])
def test_an_engine_that_is_slower_than_the_user_leaves_nothing(
    making: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked of the engine when the start is interrupted is still made, and must be removed all the same."""
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    run_id, asked, interrupted = new_run_id(), threading.Event(), threading.Event()
    really = getattr(docker.APIClient, making)

    def slowly(api: docker.APIClient, *args: object, **more: object) -> object:
        asked.set()
        interrupted.wait(10)
        time.sleep(0.3)
        return really(api, *args, **more)

    async def go() -> None:
        cluster = make_cluster("docker", run_id=run_id, count=2)
        starting = asyncio.ensure_future(cluster.up())
        assert await asyncio.to_thread(asked.wait, 30)
        starting.cancel()
        interrupted.set()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await cluster.down()

    monkeypatch.setattr(docker.APIClient, making, slowly)
    asyncio.run(go())
    time.sleep(0.5)  # for what came too late to show
    assert traces_of(run_id) == []


def _fail(_node: object) -> None:
    raise OSError(28, "disk full")
