from __future__ import annotations

import json
import unicodedata

import pytest

from quorate.harness.core.outcome import Broken
from quorate.reports import terminal


@pytest.mark.parametrize("kind", ["register", "append", "lock", "valid", "unknown", "hostile"])
@pytest.mark.parametrize("width", [40, 80, 132])
def test_nothing_is_wider_than_asked_but_what_is_there_to_be_copied(runs, kind, width):
    for line in terminal.write(runs[kind], width=width).splitlines():
        assert len(line) <= width or line.startswith(("repeat: ", "folder: ")), line


def test_the_verdict_stands_first_and_the_explanation_names_the_operation(runs):
    text = terminal.write(runs["register"])
    assert text.startswith("✗ INVALID  linearizable was broken\n")
    assert "read 400 from k7, but 401 had been written" in " ".join(text.split())
    culprit = [line for line in text.splitlines() if line.startswith("✗ ") and "read k7 → 400" in line]
    assert len(culprit) == 1
    assert "├─write k7 400─┤" in text
    assert "repeat: quorate test etcd@3.5.30" in text


def test_colours_come_only_when_asked_for(runs):
    plain, coloured = terminal.write(runs["register"]), terminal.write(runs["register"], colour=True)
    assert "\x1b" not in plain
    assert "\x1b[31m" in coloured
    assert "\x1b[0m" in coloured


def test_nothing_from_a_run_steers_the_terminal(runs):
    for line in terminal.write(runs["hostile"]).split("\n"):
        assert not [letter for letter in line if unicodedata.category(letter) == "Cc"]


def test_cycles_and_intervals_are_told(runs):
    assert "T1 ─wr→ T2  T2 read the element that T1 appended to k7" in terminal.write(runs["append"])
    assert "held  2.000 s to 2.600 s token 31" in terminal.write(runs["lock"])


def test_a_gate_that_did_not_hold_is_told(runs):
    assert "not enough: fault pause: pause was injected once, proved never" in terminal.write(
        runs["unknown"], width=100
    )


def test_lanes_keep_the_order_of_events(runs):
    lines = terminal.write(runs["register"]).splitlines()
    first = next(line for line in lines if "├─write k7 400" in line)
    second = next(line for line in lines if "├─write k7 401" in line)
    third = next(line for line in lines if "✗ read k7" in line and "├" in line)
    assert first.index("write k7 400") < second.index("write k7 401") < third.index("✗")
    assert second.rindex("┤") < third.index("├")


def test_there_is_no_run(tmp_path):
    with pytest.raises(Broken, match="no run at"):
        terminal.write(tmp_path / "nowhere")


def test_many_anomalies_are_cut(run):
    results = json.loads((run / "results.json").read_text())
    results["guarantees"][0]["anomalies"] *= 7
    (run / "results.json").write_text(json.dumps(results))
    assert "4 more anomalies in results.json" in terminal.write(run)
