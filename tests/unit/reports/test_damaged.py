"""Half-written, damaged and hostile stores: a clear line, and the rest still works."""

from __future__ import annotations

import json
from random import Random

import pytest
import zstandard
from damage import damage

from quorate.harness.history import History, NativeMissingError
from quorate.reports import compare, html, junit, markdown, stored, terminal
from quorate.reports.html import page
from quorate.reports.operations import COLUMNS


def problems(folder) -> str:
    assert html.write(folder).stat().st_size > 10_000
    shown = terminal.write(folder)
    run = stored.read(folder)
    for problem in run.problems:
        assert problem.split()[0] in shown
    return "\n".join(run.problems)


def test_a_run_that_was_killed_before_it_was_judged(run):
    (run / "results.json").unlink()
    assert "results.json is not there" in problems(run)
    report = stored.read(run)
    assert report.results.verdict == "unknown"
    assert report.results.statistics.operations == 600
    assert [row.fault for row in report.results.faults] == ["partition", "kill", "pause"]
    assert report.results.faults[0].proof is not None
    assert report.results.faults[0].proof.holds
    assert "was not judged" in report.results.reason


def test_a_journal_cut_short(run):
    path = run / "history.jsonl.zst"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert "cut short" in problems(run) or "midst" in problems(run)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x28\xb5\x2f\xfd garbage", b"[1, 2"])
def test_a_journal_of_nonsense(run, content):
    (run / "history.jsonl.zst").write_bytes(content)
    assert problems(run) if content else True
    assert stored.read(run).results.verdict == "invalid"


def test_a_broken_line_in_the_midst_of_a_journal_costs_only_itself(run):
    path = run / "history.jsonl.zst"
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()).split(b"\n")
    lines[100] = b'{"index": 100, "time": what'
    path.write_bytes(zstandard.ZstdCompressor().compress(b"\n".join(lines)))
    assert "damaged" in problems(run)
    assert len(stored.read(run).operations) >= 598


def test_no_journal_at_all(run):
    (run / "history.jsonl.zst").unlink()
    assert "there are no operations to show" in problems(run)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"verdict": 7, "guarantees": 3, "statistics": [], "faults": {}}', "[" * 100_000],
)
def test_damaged_results(run, content):
    (run / "results.json").write_text(content)
    assert problems(run)


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"name": ["x"], "settings": 3, "versions": "v", "command": 7, "started": "yesterday"}'],
)
def test_damaged_options(run, content):
    (run / "test.json").write_text(content)
    assert problems(run)


def test_one_bad_entry_costs_only_itself(run):
    results = json.loads((run / "results.json").read_text())
    results["guarantees"].append({"guarantee": "nonsense", "verdict": "perhaps"})
    results["faults"][1] = "kill"
    results["leaders"] = [{"time_s": "soon"}]
    (run / "results.json").write_text(json.dumps(results))
    said = problems(run)
    assert said.count("is left out") == 3
    report = stored.read(run)
    assert (len(report.results.guarantees), len(report.results.faults), len(report.results.leaders)) == (
        2,
        2,
        0,
    )


def test_an_anomaly_with_a_detail_of_other_shapes(run):
    results = json.loads((run / "results.json").read_text())
    detail = {
        "cycle": ["a", {"from": None}, {"from": {"x": 1}, "to": [1]}],
        "intervals": [{"from_s": "x"}],
        "elements": {"a": 1},
        "watch": {"who": [1], "shown": [{"revision": "x", "name": {}, "at_s": None}, 7], "happened": "none"},
        "more": {"k": [1]},
    }
    results["guarantees"][0]["anomalies"][0] |= {
        "detail": detail,
        "events": [0, 1, 10**9, -1],
        "key": {"nested": ["k"]},
    }
    (run / "results.json").write_text(json.dumps(results))
    html.write(run)
    terminal.write(run)


def test_a_huge_value_and_a_huge_log_line(run):
    path = run / "history.jsonl.zst"
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()).splitlines()
    event = json.loads(lines[0]) | {"value": "x" * 3_000_000}
    lines[0] = json.dumps(event).encode()
    path.write_bytes(zstandard.ZstdCompressor().compress(b"\n".join(lines) + b"\n"))
    with (run / "nodes" / "n1" / "etcd.log").open("a") as log:
        log.write("2026-10-12T03:14:16Z " + "y" * 3_000_000 + "\n")
    assert html.write(run).stat().st_size < 1_000_000


def test_a_folder_with_nothing_in_it(tmp_path):
    assert "is not there" in problems(tmp_path)


def test_logs_are_dated_by_the_servers_own_clocks(run):
    node = run / "nodes" / "n2"
    (node / "zookeeper.log").write_text(
        "preamble\n2026-10-12 03:14:17,926 [myid:1] - WARN  [main] - hello\n\tat a.b.c\n"
    )
    (node / "consul.log").write_text("    2026-10-12T05:14:18.926+0200 [ERROR] agent: no leader\n")
    (node / "core.bin").write_bytes(b"\x00" * 100)
    lines = stored.read(run).lines
    by_text = {line.text.strip()[-12:]: line for line in lines.kept if line.node == "n2"}
    assert by_text["main] - hello"[-12:]].time_s == pytest.approx(2.0, abs=0.01)
    assert by_text["main] - hello"[-12:]].level == 2
    assert by_text["at a.b.c"].time_s == pytest.approx(2.0, abs=0.01)
    assert by_text["nt: no leader"[-12:]].time_s == pytest.approx(3.0, abs=0.01)
    assert by_text["nt: no leader"[-12:]].level == 3
    assert lines.undated == 1


@pytest.mark.parametrize("seed", [102, *range(20)])
def test_random_damage(run, seed):
    """bench/reports_fuzz.py does this thousands of times."""
    damage(run, Random(seed))
    html.write(run)
    terminal.write(run)
    junit.text(run)
    markdown.text(run)
    compare.text(run, run)


def test_numbers_that_are_none(run):
    text = (run / "results.json").read_text()
    (run / "results.json").write_text(
        text.replace('"recovery_s": 1.1', '"recovery_s": NaN').replace("9.7", "1e999")
    )
    assert stored.read(run).results.recovery_s is None
    html.write(run)


def test_half_a_letter(run):
    test = json.loads((run / "test.json").read_text()) | {"name": "\ud800x", "command": "quorate \udfff"}
    (run / "test.json").write_text(json.dumps(test))
    html.write(run)
    terminal.write(run).encode()
    markdown.text(run).encode()


def test_without_the_native_core(run, monkeypatch):
    whole = stored.read(run)

    def missing(path):
        raise NativeMissingError("not built")

    monkeypatch.setattr(History, "read", missing)
    slow = stored.read(run)
    assert "the slow way" in slow.problems[0]
    assert page.render(slow).count("<tr") == page.render(whole).count("<tr")
    for name in COLUMNS:
        if name in ("f", "key", "asked", "got", "node", "place", "error"):
            continue
        assert (getattr(slow.operations, name) == getattr(whole.operations, name)).all(), name
    for at in range(0, 600, 7):
        for codes, texts in (
            ("f", "functions"),
            ("key", "keys"),
            ("asked", "texts"),
            ("got", "texts"),
            ("node", "nodes"),
            ("place", "nodes"),
        ):
            words = [getattr(o, texts)[getattr(o, codes)[at]] for o in (slow.operations, whole.operations)]
            assert words[0] == words[1]
