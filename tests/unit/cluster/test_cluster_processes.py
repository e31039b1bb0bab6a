"""The process table, the shell scripts that read it in nodes, and commands with deadlines."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.harness.cluster import commands, processes, shell, uploads
from quorate.harness.cluster.processes import Handle
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "100"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_names_with_brackets_and_blanks_are_parsed() -> None:
    line = "42 (a) b (c)) T 7 42 41 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 987654 1 1 0"
    entry = processes.parse_stat(line)
    assert (entry.pid, entry.state, entry.parent, entry.session, entry.start) == (42, "T", 7, 41, 987654)


def test_states_follow_the_process_and_not_its_number(sleeper: subprocess.Popen[bytes]) -> None:
    handle = processes.handle(sleeper.pid)
    assert handle is not None
    assert processes.state(handle) is ProcessState.RUNNING
    assert (
        processes.state(Handle(sleeper.pid, handle.start - 1)) is ProcessState.DEAD
    )  # the number was reused
    assert processes.signal_family(Handle(sleeper.pid, handle.start - 1), signal.SIGKILL) == 0
    os.kill(sleeper.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED)
    assert processes.state(handle) is ProcessState.STOPPED
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert processes.state(handle) is ProcessState.DEAD  # a zombie
    sleeper.wait()
    assert processes.state(handle) is ProcessState.DEAD
    assert processes.entry(sleeper.pid) is None


def state_of(file: Path) -> str:
    return subprocess.run(
        shell.state_command(str(file)), capture_output=True, text=True, check=True
    ).stdout.split()[0]


def test_the_shell_s_scripts_start_stop_and_kill(tmp_path: Path) -> None:
    file, log = tmp_path / "daemons" / "d", tmp_path / "log" / "d.log"
    argv = ("/bin/sh", "-c", "echo hello; sleep 1000 & setsid sleep 2000 & wait")
    mark = f"QUORATE_DAEMON=unit/{os.getpid()}"
    process = subprocess.Popen(
        shell.start_command(str(file), str(log), "/", argv),
        start_new_session=True,
        env={**os.environ, "QUORATE_DAEMON": mark.partition("=")[2]},
    )
    try:
        end = time.monotonic() + 10
        while len(processes.marked(mark)) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        members = processes.marked(mark)
        assert len(members) == 3
        assert log.read_text() == "hello\n"
        assert file.read_text().split() == [str(process.pid), str(processes.start_ticks(process.pid))]
        for name, wanted in (("STOP", "stopped"), ("CONT", "running"), ("KILL", "dead")):
            subprocess.run(shell.signal_command(str(file), name, mark), check=True)
            assert state_of(file) == wanted
        assert all((one := processes.entry(pid)) is None or one.state in "ZX" for pid in members)
    finally:
        processes.kill_all(lambda: processes.marked(mark))
        process.wait()
    file.write_text(f"{os.getpid()} 1\n")  # a reused number: this very process
    subprocess.run(shell.signal_command(str(file), "KILL", ""), check=True)
    assert state_of(file) == "dead"
    assert state_of(tmp_path / "never started") == "dead"


@pytest.mark.parametrize(("argv", "code"), [(["/nonexistent"], 126), (["/etc/passwd"], 126)])
def test_the_shell_refuses_what_it_cannot_execute(tmp_path: Path, argv: list[str], code: int) -> None:
    command = shell.start_command(str(tmp_path / "file"), str(tmp_path / "log"), "/", argv)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "not an executable file" in done.stderr


def test_the_shell_wipes_by_mark_and_spares_the_idle(tmp_path: Path) -> None:
    mark = f"QUORATE_RUN=unit-{os.getpid()}"
    environment = {"PATH": os.environ["PATH"], "QUORATE_RUN": mark.partition("=")[2]}
    victim = subprocess.Popen(["sleep", "100"], env=environment)
    name, _, value = shell.IDLE_MARK.partition("=")
    idle = subprocess.Popen(["sleep", "100"], env={**environment, name: value})
    (tmp_path / "node" / ".hidden").mkdir(parents=True)
    try:
        subprocess.run(shell.wipe_command(mark, str(tmp_path / "node")), check=True, env=environment)
        assert victim.wait(5) == -signal.SIGKILL
        assert idle.poll() is None
        assert list((tmp_path / "node").iterdir()) == []
    finally:
        for process in (victim, idle):
            process.kill()
            process.wait()


def test_commands_end_with_their_deadline_their_code_or_their_words() -> None:
    async def go() -> None:
        started = time.monotonic()
        with pytest.raises(Broken, match=r"timeout: sh .* did not end within 0\.2 s"):
            await commands.run(["sh", "-c", "sleep 50 & sleep 50"], timeout_s=0.2)
        assert time.monotonic() - started < 3
        with pytest.raises(Broken, match="code 9: why"):
            await commands.run(["sh", "-c", "echo why; exit 9"], timeout_s=5)
        with pytest.raises(Broken, match="No such file"):
            await commands.run(["/nonexistent"], timeout_s=5)
        told = await commands.run(
            ["true"], timeout_s=5, stdin=b"x" * 1_000_000
        )  # never read: no hang, no error
        assert told.code == 0

    asyncio.run(go())


def test_a_command_that_writes_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "OUTPUT_LIMIT", 1 << 20)
    with pytest.raises(Broken, match="more than 1 MiB"):
        asyncio.run(commands.run(["cat", "/dev/zero"], timeout_s=20))


def test_uploads_share_executables_and_copy_the_rest(tmp_path: Path) -> None:
    source, store = tmp_path / "server", tmp_path / "store"
    source.write_text("one")
    places = [tmp_path / "n1" / "bin", tmp_path / "n2" / "bin"]
    for place in places:
        uploads.place(source, place, 0o755, store)
    assert places[0].stat().st_ino == places[1].stat().st_ino
    assert source.stat().st_ino != places[0].stat().st_ino
    source.write_text("two")
    os.utime(source, ns=(1, 1))  # the same size, another time: another content
    uploads.place(source, places[0], 0o755, store)
    assert [place.read_text() for place in places] == ["two", "one"]
    uploads.place(source, tmp_path / "conf", 0o600, store)
    assert (tmp_path / "conf").stat().st_mode & 0o777 == 0o600
    assert len(list(store.iterdir())) == 2
