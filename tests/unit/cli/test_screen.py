"""What the terminal can take: colours by convention, lines that fit, links, completion of names."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import click
import pytest
from rich.console import Console

from quorate import Test, run
from quorate.harness.campaign.cell import Cell, record_of
from quorate.harness.campaign.file import Campaign
from quorate.harness.cli import completing, progress, screen, table
from quorate.harness.run.progress import Snapshot


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_colour_keeps_the_three_conventions(monkeypatch, variables, terminal, coloured):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert screen.colour(Terminal() if terminal else io.StringIO()) is coloured


def test_a_line_that_renews_itself_fits_the_terminal(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    shown = progress.Progress(silent=False)
    fault = "partition on n1 and n2 and n3 " * 5
    shown(Snapshot("load", operations=340, rate_per_s=334.0, not_ok=7, left_s=12.0, fault=fault))
    (line,) = [part for part in stream.getvalue().split("\r\x1b[K") if part]
    assert len(line) < 80
    assert "334/s" in line, "numbers are never cut"
    monkeypatch.setenv("TERM", "dumb")
    stream.seek(stream.truncate(0))
    progress.Progress(silent=False)(Snapshot("load", operations=1, rate_per_s=1.0, not_ok=0, left_s=1.0))
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("columns", [80, 60, 200])
def test_a_campaigns_rows_fit_and_cut_names_before_numbers(columns):
    cells = tuple(
        Cell(
            test=Test(system="simulated", workload=("register",), time=20.0, settings={"bug": bug}), repeat=10
        )
        for bug in ("stale-read", "lost-write")
    )
    made = table.Table(Campaign(name="gate", cells=cells), silent=True, out=io.StringIO())
    record = record_of(
        cells[0], 0, 1, release="", status="done", verdict="invalid", exit_code=1, sentence="", command="", run="",
        time_s=12.0, attempts=1,
    )  # fmt: skip
    made(record, [])
    console = Console(file=io.StringIO(), width=columns, color_system=None)
    console.print(made.rows())
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0].startswith("1/20")
    assert "about 4 min left" in " ".join(lines) or columns < 80
    assert any(line.strip().startswith("1/10") and "✗1" in line for line in lines)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    base = tmp_path_factory.mktemp("store")
    test = Test(system="simulated", time=3.0, seed=1, store=str(base))
    return run(test).folder, run(Test(**{**_fields(test), "settings": {"bug": "phantom"}})).folder


def _fields(test):
    return {name: getattr(test, name) for name in test.__struct_fields__}


def quorate(*words, **variables):
    environment = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "FORCE_COLOR"}}
    return subprocess.run(
        [sys.executable, "-m", "quorate", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment | variables,
    )


def test_the_reports_path_is_printed_and_is_a_link_on_a_terminal(made):
    folder, _ = made
    assert f"report: {folder}/report.html" in quorate("show", folder).stdout
    master, slave = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "FORCE_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "quorate", "show", str(folder)],
        stdout=slave,
        env=environment | {"TERM": "xterm"},
    )
    os.close(slave)
    text = b""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        text += chunk
    os.close(master)
    process.wait(10)
    assert b"\x1b]8;;file://" in text
    assert b"report.html" in text


def test_a_run_as_markdown_for_an_issue(made):
    _, bad = made
    done = quorate("show", bad, "--markdown")
    assert done.returncode == 1
    assert done.stdout.startswith("## ")
    assert "| guarantee | verdict | what |" in done.stdout
    assert "\x1b" not in done.stdout
    assert quorate("show", bad, "--markdown", "--json").returncode == 4


def test_a_comparison_as_data_and_with_an_exit_code(made):
    good, bad = made
    done = quorate("compare", good, bad, "--json", "--exit-code")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert (found["tone"], found["newly"]) == ("worse", "invalid")
    assert quorate("compare", good, bad).returncode == 0
    assert quorate("compare", bad, good, "--exit-code").returncode == 0
    assert quorate("compare", good, bad, FORCE_COLOR="1").stdout.count("\x1b[") > 0


@pytest.mark.parametrize(
    ("complete", "typed", "found"),
    [
        (completing.systems, "simu", ["simulated"]),
        (completing.workloads, "regi", ["register"]),
        (completing.faults, "kill,part", ["kill,partition"]),
        (completing.faults, "partition:leader-d", ["partition:leader-deaf"]),
        (completing.faults, "nonsense:", []),
    ],
)
def test_names_are_completed(complete, typed, found):
    assert complete(click.Context(click.Command("test")), click.Argument(["x"]), typed) == found


def test_settings_are_completed_from_what_stands_on_the_line(monkeypatch):
    monkeypatch.setenv("COMP_WORDS", "quorate test etcd -w lease -f packet --set ")
    found = completing.settings(click.Context(click.Command("test")), click.Argument(["x"]), "")
    assert {"reads=", "ttl_s=", "packet.delay="} <= set(found)
    assert completing.settings(click.Context(click.Command("test")), click.Argument(["x"]), "reads=s") == []


def test_the_shells_own_question_is_answered_quietly():
    script = Path(sysconfig.get_path("scripts")) / "quorate"  # click names its variable by the program's name
    for variables, answer in (
        ({"_QUORATE_COMPLETE": "bash_source"}, "_quorate_completion"),
        (
            {"_QUORATE_COMPLETE": "bash_complete", "COMP_WORDS": "quorate test simu", "COMP_CWORD": "2"},
            "plain,simulated",
        ),
    ):
        done = subprocess.run(
            [script], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **variables}
        )
        assert answer in done.stdout
        assert (done.stderr, done.returncode) == ("", 0)
