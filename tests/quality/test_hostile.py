"""What somebody else may have made: files that are none, names that leave the store, runs that name programs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from quorate import Test, run
from quorate.harness.core import safely, store
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.releases import tools
from quorate.reports.serve import serve

DEEP = "[" * 100_000


def quorate(*words: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the command; a hang is a failure of the test."""
    command = [sys.executable, "-m", "quorate", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A short run with an anomaly."""
    test = Test(
        system="simulated",
        time=3.0,
        seed=1,
        store=str(tmp_path_factory.mktemp("s")),
        settings={"bug": "phantom"},
    )
    return run(test).folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "store" / "name" / "run"))


FILES = {
    "[matrix.system]\na = 1\n": "must be a text",
    "[defaults]\ntime = 1e999\n[[include]]\n": "must be a text",
    "seed = 1.5\n[[include]]\nsystem = 'simulated'\n": "whole number",
    "name = '..'\n[[include]]\nsystem = 'simulated'\n": "begins with a dot",
    "name = 'latest'\n[[include]]\nsystem = 'simulated'\n": "a meaning of its own",
    "include = 3\n": "must be tables",
    f"a = {DEEP}": "nested too deeply",
    "a = '\x1b[31m'": "",
}


@pytest.mark.parametrize("text", FILES)
def test_a_campaign_file_is_answered_with_a_sentence(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_text(text)
    done = quorate("campaign", path, "--store", tmp_path / "s")
    assert done.returncode == 4, done.stderr
    assert FILES[text] in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("value", ["1e999", "nan", "-1", "1" + "0" * 400, "'5'", "[]", DEEP])
def test_a_schedule_is_answered_with_a_sentence(tmp_path, value):
    path = tmp_path / "s.toml"
    path.write_text(f'[[fault]]\nat = {value}\nfor = "1s"\nfault = "kill"\n')
    done = quorate("test", "simulated", "--schedule", path, "--time", "5s", "--store", tmp_path / "s")
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["..", ".", "latest", "campaigns", ".hidden", "x" * 300])
def test_a_name_stays_in_the_store_and_leaves_its_own_names_alone(tmp_path, name):
    done = quorate("test", "simulated", "--time", "2s", "--name", name, "--store", tmp_path / "s")
    assert done.returncode == 4, done.stderr
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Broken, match="choose another"):
        store.create(tmp_path, name, 1)


@pytest.mark.parametrize("name", ["results.json", "test.json", "history.jsonl.zst", "quorate.log", "nodes"])
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_no_file_hangs_nobody(folder, name, kind):
    target = folder / name
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    os.mkfifo(target) if kind == "fifo" else target.symlink_to("/dev/zero")
    for words in (("show", folder), ("report", folder), ("compare", folder, folder), ("check", folder)):
        done = quorate(*words, timeout=30)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 1, 2, 3, 4)


def test_the_browser_neither_hangs_nor_leaves_the_store(folder, tmp_path, capfd):
    secret = tmp_path / "secret.json"
    secret.write_text('{"reason": "do not tell"}')
    linked = Path(shutil.copytree(folder, folder.parent / "linked"))
    (linked / "report.html").unlink()
    (linked / "report.html").symlink_to(secret)
    pipe = Path(shutil.copytree(folder, folder.parent / "pipe"))
    for name in ("results.json", "report.html"):
        (pipe / name).unlink()
        os.mkfifo(pipe / name)
    server = serve(tmp_path / "store", port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def get(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(server.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    try:
        for path in (
            "",
            "store/name/run/",
            "store/name/linked/",
            "store/name/linked/report.html",
            "store/name/pipe/",
        ):
            status, text = get(path)
            assert "do not tell" not in text, path
            assert status in (200, 404), path
        assert get("store/name/linked/")[0] == 404
        assert get("store/name/run/")[0] == 200
        assert get("compare?a=name/linked&b=name/run")[0] == 404
        for asked, host, status in (
            (b"/", b"[evil", b"403"),
            (b"http://[evil/", b"127.0.0.1", b"400"),
            (b"/" + b"a" * 5000, b"127.0.0.1", b"404"),
            (b"/store/name/%00/", b"127.0.0.1", b"404"),
        ):
            with socket.create_connection(server.server_address[:2], timeout=10) as plug:
                plug.sendall(
                    b"GET " + asked + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
                )
                assert plug.recv(12).split()[1] == status, (asked, host)
        assert capfd.readouterr().err == ""
    finally:
        server.shutdown()
        server.server_close()


def test_a_replay_runs_no_program_that_a_run_names_unless_told_to(folder):
    content = json.loads((folder / "test.json").read_text())
    content["options"] |= {"system": "etcd", "settings": {"binary": "/bin/true"}}
    (folder / "test.json").write_text(json.dumps(content))
    done = quorate("replay", folder)
    assert done.returncode == 4
    assert "binary=/bin/true" in done.stderr
    assert "--trust" in done.stderr


@pytest.mark.parametrize(
    "damage", [{"conducted": 5}, {"options": {"seed": None}}, {"conducted": {"deaths": 3}}]
)
def test_a_damaged_test_file_is_told(folder, damage):
    content = json.loads((folder / "test.json").read_text())
    for key, value in damage.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    (folder / "test.json").write_text(json.dumps(content))
    done = quorate("check", folder)
    assert "Traceback" not in done.stderr, done.stderr
    (folder / "results.json").write_text(DEEP)
    (folder / "test.json").write_text(DEEP)
    for words in (("show", folder), ("check", folder), ("replay", folder), ("report", folder)):
        assert "Traceback" not in quorate(*words).stderr


def test_virtual_time_at_full_rate_ends_in_real_time(tmp_path, monkeypatch):
    monkeypatch.setattr("quorate.harness.run.conduct._VIRTUAL_MAX", 500)
    found = run(Test(system="simulated", time=3600.0, rate=0.0, seed=1, store=str(tmp_path)), report=False)
    assert found.results.statistics.operations < 1000
    assert found.verdict == "valid"


def test_a_tool_ends_with_the_quorate_that_was_killed(tmp_path):
    script = (
        "import sys\nfrom pathlib import Path\nfrom quorate.harness.systems.releases import tools\n"
        f"tools.run(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 60'], cwd=Path('/'), deadline_s=60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    pid = tmp_path / "pid"
    _until(lambda: pid.exists() and pid.read_text().strip())
    child = int(pid.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _until(lambda: not _lives(child))


def test_folders_of_killed_builds_are_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with tools.scratch("build") as living:
        dead = tmp_path / "quorate-tmp-build-dead"
        (dead / "deep").mkdir(parents=True)
        (dead / ".lives").touch()
        (dead / "deep").chmod(0o500)
        old = time.time() - 3600
        for path in (dead, Path(living)):
            os.utime(path, (old, old))
        with tools.scratch("mvn"):
            pass
        assert Path(living).exists(), "whoever holds its lock lives"
        assert not dead.exists()


def test_a_reader_refuses_what_is_no_file_and_what_is_too_large(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        safely.opened(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"x" * 100)
    with pytest.raises(OSError, match="larger"):
        safely.contents(tmp_path / "large", 99)
    assert safely.contents(tmp_path / "large", 100) == b"x" * 100


def _lives(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def _until(holds, timeout_s: float = 10) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
