"""What `quorate check` says besides the verdict: of files that were cut, of disorder, of what was not verified."""

from __future__ import annotations

import json
import sys

import pytest

from quorate.checkers import linearizable_story
from quorate.harness.cli import evidence
from quorate.harness.cli.main import main

WRITE = (
    '{"time":1,"process":0,"type":"invoke","f":"write","value":1}\n'
    '{"time":2,"process":0,"type":"ok","f":"write","value":1}\n'
)
STALE = (
    WRITE
    + '{"time":3,"process":1,"type":"invoke","f":"read"}\n{"time":4,"process":1,"type":"ok","f":"read"}\n'
)


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    def check(content, *words):
        path = tmp_path / "history.jsonl"
        path.write_text(content)
        monkeypatch.setattr(
            sys, "argv", ["quorate", "check", str(path), "--as", "register", "--json", *words]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    return check


def test_a_whole_file_has_no_notes(checked):
    code, row = checked(WRITE, "--verify")
    assert (code, row["notes"], row["verified"]) == (0, [], True)


def test_a_cut_file_is_judged_as_far_as_it_goes_and_said_to_be_cut(checked):
    code, row = checked(WRITE + '{"time":3,"process":1,"ty')
    assert (code, row["verdict"]) == (0, "valid")
    assert "ends in the middle of an event" in row["notes"][0]


def test_times_that_run_backwards_are_told(checked):
    _, row = checked(WRITE.replace('"time":2', '"time":0'))
    assert "backwards 1 times, first at event 1" in row["notes"][0]


def test_what_cannot_be_verified_in_the_memory_given_is_no_pass(checked, monkeypatch):
    monkeypatch.setattr(evidence, "_VERIFY_BYTES", 1 << 30)
    code, row = checked(WRITE, "--verify")
    assert (code, row["verdict"], row["verified"]) == (2, "valid", False)
    assert "--check-memory 3GiB" in row["notes"][0]
    code, row = checked(STALE, "--verify")
    assert (code, row["verified"]) == (1, False), (
        "a second judge agreed, but its certificate was not replayed"
    )
    assert "not verified" in row["notes"][0]


def test_a_contradiction_that_was_not_made_small_is_told_by_what_stands_near(checked, monkeypatch):
    monkeypatch.setattr(linearizable_story, "_EVIDENCE_MAX", 1)
    code, row = checked(STALE)
    (anomaly,) = row["anomalies"]
    assert code == 1
    assert (
        anomaly["sentence"]
        == "p1 read nothing at 0.000 s, which fits no order with the 1 operations before it"
    )
    assert (anomaly["detail"]["minimal"], anomaly["detail"]["left_out"], anomaly["culprit"]) == (False, 0, 2)
