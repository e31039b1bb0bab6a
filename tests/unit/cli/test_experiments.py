"""The commands of experiments from the command line: wrong usage is refused, and the simulated system answers."""

from __future__ import annotations

import json

import pytest

from quorate.harness.cli import main


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["quorate", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    told = capsys.readouterr()
    return ended.value.code, told.out, told.err


@pytest.fixture
def anomaly(tmp_path, monkeypatch, capsys):
    """The folder of a run that lost a write."""
    words = ("test", "simulated", "--time", "3s", "--seed", "3", "--set", "bug=lost-write")
    code, out, _ = run(monkeypatch, capsys, *words, "--json", "--store", tmp_path / "store")
    assert code == 1
    return json.loads(out)["run"]


def test_a_run_is_shrunk_and_bisected(tmp_path, monkeypatch, capsys, anomaly):
    code, out, _ = run(monkeypatch, capsys, "shrink", anomaly, "--confirm", "1", "--json")
    content = json.loads(out)
    assert (code, content["to"]["faults"]) == (1, [])
    assert content["to"]["operations"] <= 10
    code, again, _ = run(monkeypatch, capsys, "shrink", anomaly, "--confirm", "1", "--resume", "--quiet")
    assert (code, again.strip()) == (1, content["command"])
    over = ("bisect", "simulated", "--over", "bug=none,lost-write", "--like", anomaly, "--quiet")
    code, out, _ = run(monkeypatch, capsys, *over)
    assert (code, out.strip()) == (0, "bug: introduced: last good 1:none, first bad 2:lost-write")


def test_what_cannot_be_looked_for_is_told(monkeypatch, capsys, anomaly, tmp_path):
    like = ("--like", anomaly)
    for words, said in (
        (("shrink", anomaly, "--only", "phantom"), "does not show phantom; it shows linearizable"),
        (("shrink", anomaly, "--resume"), "holds nothing to resume"),
        (("bisect", "simulated", *like), "give either a range of releases"),
        (("bisect", "simulated", "1.0..2.0", *like), "simulated has no releases"),
        (("bisect", "etcd", "3.5.1", *like), "is not a range: write A..B"),
        (("bisect", "simulated", "--over", "bug=none", *like), "is not a list"),
        (("bisect", "etcd", "3.5.1..3.5.2", "--build", "make", *like), "give --repo DIR"),
        (("bisect", "etcd", "a..b", "--repo", tmp_path, *like), "git rev-parse"),
        (
            ("gate", "--base", "simulated", "--head", "simulated", "--leave-out", "speed"),
            "no figure speed",
        ),
        (("gate", "--base", "simulated", "--head", "simulated", "--head-set", "bug"), "is not KEY=VALUE"),
    ):
        code, _, err = run(monkeypatch, capsys, *words)
        assert said in err
        assert code == 4


def test_a_gate_without_time_says_so(tmp_path, monkeypatch, capsys):
    words = ("gate", "--base", "simulated", "--head", "simulated", "--time", "1s", "--budget", "1ms")
    page = tmp_path / "page.md"
    code, out, _ = run(
        monkeypatch, capsys, *words, "--store", tmp_path / "store", "--markdown", page, "--json"
    )
    assert (code, json.loads(out)["verdict"]) == (2, "not enough time")
    assert "not enough time" in page.read_text()
