"""The main job as an ordinary user: fetched, run, broken, judged and reported inside a user namespace."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.harness.systems.releases import cache

pytestmark = pytest.mark.cluster

NOBODY = 65534
CACHED = "3.5.16"
FETCHED = "3.4.23"  # a Debian package: here in seconds


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of the user's own: pytest's are root's alone."""
    with tempfile.TemporaryDirectory(prefix="quorate-user-", ignore_cleanup_errors=True) as folder:
        path = Path(folder)
        path.chmod(0o755)
        give(path)
        yield path


def give(path: Path) -> None:
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(path)], check=True)


def lend(home: Path, release: str) -> None:
    """Give the user a copy of a server that these tests' own user has, so that it is not built again."""
    source, target = cache.folder_of("etcd", release), home / "cache" / "quorate" / "servers" / "etcd"
    if source.exists():
        target.mkdir(parents=True)
        subprocess.run(["cp", "-r", str(source), str(target)], check=True)
    give(home)


def quorate(user: list[str], home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    *start, python = user
    settings = [
        f"XDG_CACHE_HOME={home}/cache",
        f"QUORATE_STATE_DIR={home}/state",
        f"QUORATE_DATA_DIR={home}/data",
    ]
    command = [*start, *settings, python, "-m", "quorate", *words, "--store", f"{home}/store"]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=home)


def nothing_left(home: Path, run_id: str) -> None:
    for folder in ("state", "data"):
        assert list((home / folder).rglob(f"*{run_id}*")) == [], folder
    left = [path for path in (home / "state").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert [path for path in left if path.name != ".lock"] == []
    mark = f"QUORATE_RUN={run_id}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            assert mark not in path.read_bytes(), path
        except OSError:
            continue


def test_the_main_job_without_root(user: list[str], home: Path) -> None:
    lend(home, CACHED)
    words = ["test", f"etcd@{CACHED}", "-w", "register", "-f", "partition,kill,pause", "--cluster", "local"]
    done = quorate(user, home, *words, "--time", "10s", "--fault-interval", "2s", "--seed", "5", "--json")
    assert done.stdout.strip(), done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert (done.returncode, found["verdict"]) == (0, "valid"), found["reason"]
    assert {row["fault"] for row in found["faults"]} == {"partition", "kill", "pause"}
    assert all(row["proof"]["holds"] and row["healed_proof"]["holds"] for row in found["faults"])
    partition = next(row for row in found["faults"] if row["fault"] == "partition")
    assert (
        "by probe" in partition["proof"]["text"]
    )  # nftables inside the user namespace, and packets that died
    folder = Path(found["run"])
    for name in ("report.html", "results.json", "history.jsonl.zst", "nodes/n1"):
        assert (folder / name).exists(), name
        assert (folder / name).stat().st_uid == home.stat().st_uid
    nothing_left(home, json.loads((folder / "test.json").read_text())["run_id"])


def test_a_server_is_fetched_although_the_namespace_has_no_way_out(user: list[str], home: Path) -> None:
    if subprocess.run(["getent", "hosts", "deb.debian.org"], check=False, capture_output=True).returncode:
        pytest.skip("Debian's mirror is not to be reached from here: nothing can be fetched")
    done = quorate(user, home, "test", f"etcd@{FETCHED}", "--cluster", "local", "--time", "2s", "--seed", "1")
    assert done.returncode in (0, 2), done.stdout + done.stderr  # two seconds may be too little for a verdict
    assert f"downloading etcd-server {FETCHED} from Debian" in done.stderr  # it reports what takes long
    cached = home / "cache" / "quorate" / "servers" / "etcd" / FETCHED / "manifest.json"
    assert cached.stat().st_uid == home.stat().st_uid
