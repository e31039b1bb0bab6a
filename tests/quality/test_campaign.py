"""Whole campaigns as people run them, on the simulated system: interrupted, killed, resumed, gated, and reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xmlschema

SCHEMA = Path(__file__).parents[1] / "data" / "junit.xsd"
CAMPAIGN = """
name = "gate"
seed = 3
[defaults]
system = "simulated"
time = "4s"
fault_interval = "1s"
[matrix]
workload = ["register", "set"]
faults = ["partition", "kill"]
[[include]]
workload = "register"
faults = "none"
repeat = 2
[[include]]
settings = { bug = "stale-read" }
expect = "invalid"
link = "https://example.org/1"
"""
ONE_BUG = """
name = "bug"
[defaults]
system = "simulated"
time = "4s"
[[include]]
workload = "register"
[[include]]
settings = { bug = "stale-read" }
seed = 5
"""


def arguments(*words):
    return [sys.executable, "-m", "quorate", "campaign", *map(str, words)]


def campaign(folder, *words, **environment):
    """Run to the end; return exit code, stdout and stderr."""
    done = subprocess.run(
        arguments("c.toml", *words),
        cwd=folder, capture_output=True, text=True, timeout=200, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def written(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "c.toml").write_text(text)
    return folder


def newest(folder):
    return max((folder / "store" / "campaigns").glob("*/*/plan.json")).parent


def lines(folder):
    found = list((folder / "store" / "campaigns").glob("*/*/cells.jsonl"))
    return [json.loads(line) for line in found[0].read_bytes().splitlines()] if found else []


def table(records):
    return {(record["cell"], record["turn"]): (record["verdict"], record["seed"]) for record in records}


def processes_of(folder):
    """Processes that work on the campaign in this folder, found by their working directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if entry.joinpath("cwd").resolve() == folder.resolve():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def wait_for(condition, what, limit_s=90.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"waited {limit_s} s for {what}"
        time.sleep(0.05)


def stopped(folder, signum, *, after, resume=False):
    """Start it, send the signal once so many records are written and jobs are running; return its exit code."""
    words = ["--jobs", "2", *(["--resume"] if resume else [])]
    with subprocess.Popen(
        arguments("c.toml", *words), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        wait_for(lambda: len(lines(folder)) >= after, f"{after} records")
        wait_for(lambda: len(processes_of(folder)) >= 2, "a running job")
        process.send_signal(signum)
        process.stderr.read()
        return process.wait(timeout=90)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The campaign without any disturbance, with every report that CI wants."""
    folder = written(tmp_path_factory.mktemp("unbroken"), CAMPAIGN)
    code, out, err = campaign(
        folder, "--jobs", 2, "--junit", "out.xml", "--json",
        GITHUB_STEP_SUMMARY=str(folder / "summary.md"), GITHUB_ACTIONS="true",
    )  # fmt: skip
    assert code == 0, out + err
    return folder, out


def test_interrupted_and_killed_it_resumes_to_the_same_table(unbroken, tmp_path):
    folder = written(tmp_path / "broken", CAMPAIGN)
    assert stopped(folder, signal.SIGTERM, after=1) == 130  # ends as Ctrl-C does
    assert processes_of(folder) == []
    first = lines(folder)
    assert stopped(folder, signal.SIGKILL, after=len(first) + 1, resume=True) == -signal.SIGKILL
    # Only the kernel can end the cells of a killed campaign.
    wait_for(lambda: not processes_of(folder), "the cells to end", limit_s=30)
    second = lines(folder)
    assert len(first) < len(second) < 7
    code, out, err = campaign(folder, "--jobs", 2, "--resume")
    assert code == 0, out + err
    final = lines(folder)
    assert final[: len(second)] == second, "a finished cell was run again"
    assert len({(record["cell"], record["turn"]) for record in final}) == len(final)
    assert table(final) == table(lines(unbroken[0]))


def test_the_reports_of_a_campaign(unbroken):
    folder, out = unbroken
    printed = json.loads(out)
    assert table(printed["cells"]) == table(lines(folder))
    assert len(printed["cells"]) == printed["planned"] == 7
    xmlschema.XMLSchema(str(SCHEMA)).validate(str(folder / "out.xml"))
    assert 'tests="7"' in (folder / "out.xml").read_text()
    assert "simulated" in (folder / "summary.md").read_text()
    for record in printed["cells"]:
        run = folder / record["run"]
        assert json.loads((run / "results.json").read_text())["verdict"] == record["verdict"]
    assert (newest(folder) / "report.html").exists()


def test_resume_of_something_else_is_refused(unbroken, tmp_path):
    code, _, err = campaign(
        written(tmp_path / "other", CAMPAIGN), "--resume", "--store", unbroken[0] / "store", "--nodes", 5
    )
    assert code == 4
    assert "holds no campaign gate with these cells" in err


@pytest.fixture(scope="module")
def with_a_bug(tmp_path_factory):
    folder = written(tmp_path_factory.mktemp("bug"), ONE_BUG)
    return folder, *campaign(folder, "--junit", "out.xml")


def test_an_unexpected_anomaly_fails_with_its_sentence_and_the_command_to_repeat(with_a_bug):
    folder, code, out, _ = with_a_bug
    assert code == 1, out
    xml = (folder / "out.xml").read_text()
    xmlschema.XMLSchema(str(SCHEMA)).validate(str(folder / "out.xml"))
    assert "<failure" in xml
    assert "--seed 5 --set bug=stale-read" in xml


def test_a_baseline_forgives_what_was_known(with_a_bug, tmp_path):
    folder = written(tmp_path / "later", ONE_BUG)
    code, out, err = campaign(folder, "--baseline", newest(with_a_bug[0]))
    assert code == 0, out + err


def test_fail_fast_stops_and_what_never_ran_is_told(tmp_path):
    ten = ONE_BUG.replace('workload = "register"', 'nodes = 3\nworkload = "register"\nrepeat = 4')
    folder = written(tmp_path / "fast", ten + "weight = 100.0\n")
    code, out, err = campaign(folder, "--fail-fast", "--junit", "out.xml")
    assert code == 1, out + err
    assert len(lines(folder)) == 1
    assert "1 cells never ran" in out
    xml = (folder / "out.xml").read_text()
    assert 'skipped="1"' in xml


def test_a_budget_that_leaves_no_time_proves_nothing(tmp_path):
    folder = written(tmp_path / "budget", CAMPAIGN)
    code, out, err = campaign(folder, "--budget", "0.1ms")
    assert code == 2, out + err
    assert "this cell did not run" in (newest(folder) / "campaign.json").read_text()


def test_until_failure_goes_on_until_a_verdict_differs(tmp_path):
    rare = """
[[include]]
system = "simulated"
time = "4s"
rate = 20.0
settings = { bug = "stale-read", ops_per_key = 8 }
"""
    folder = written(tmp_path / "until", rare)
    code, out, err = campaign(folder, "--until-failure", "--budget", "150s", "--seed", "4")
    found = lines(folder)
    assert code == 1, out + err
    assert [record["verdict"] for record in found[:-1]] == ["valid"] * (len(found) - 1)
    assert found[-1]["verdict"] == "invalid"
    assert [record["seed"] for record in found] == list(range(4, 4 + len(found)))


def test_plain_lines_and_no_colours_where_nobody_watches(with_a_bug):
    _, _, out, err = with_a_bug
    assert "\x1b" not in out + err
    assert "[2/2]" in err
