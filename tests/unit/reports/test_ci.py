"""JUnit, GitHub, Markdown, the campaign's report and comparisons."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import synthetic
import xmlschema

from quorate.harness.core.outcome import Broken
from quorate.reports import campaign, compare, github, junit, markdown, matrix, rates, sarif

SCHEMA = Path(__file__).parents[2] / "data" / "junit.xsd"


def cell(**fields):
    base = {
        "name": "etcd@3.5.30 register partition localx3", "system": "etcd", "release": "3.5.30", "workload": "register",
        "faults": "partition", "seed": 1, "verdict": "valid", "exit_code": 0, "sentence": "", "run": "runs/1",
        "command": "quorate test etcd@3.5.30 -w register --seed 1", "time_s": 31.5, "attempts": 1, "status": "done",
    }  # fmt: skip
    return base | fields


CELLS = [
    cell(),
    cell(
        seed=2,
        verdict="invalid",
        exit_code=1,
        sentence="p3 read 17, but 18 had been written.",
        link="https://example.org/7",
    ),
    cell(seed=3, verdict="unknown", exit_code=2, sentence="No fault ever bit."),
    cell(
        seed=4,
        status="error",
        verdict="unknown",
        exit_code=3,
        sentence="etcd did not start: port 2379 is in use",
    ),
    cell(seed=5, status="skipped", verdict="unknown", sentence=""),
    cell(
        name="etcd@3.4.0 lock kill",
        release="3.4.0",
        workload="lock",
        faults="kill",
        seed=6,
        verdict="invalid",
        expect="invalid",
    ),
    cell(
        name="etcd@3.4.0 lock kill", release="3.4.0", workload="lock", faults="kill", seed=7, expect="invalid"
    ),
]


@pytest.fixture
def folder(tmp_path) -> Path:
    return written(tmp_path / "campaigns" / "nightly" / "20261012T030000Z-1", CELLS)


def written(folder: Path, cells) -> Path:
    (folder / "runs" / "1").mkdir(parents=True)
    (folder / "campaign.json").write_text(
        json.dumps({"name": "nightly", "planned": len(cells) + 1, "time_s": 400, "cells": cells})
    )
    return folder


def test_states_follow_what_was_expected(folder):
    states = [found.state for found in matrix.read(folder).cells]
    assert states == ["passed", "failed", "inconclusive", "error", "inconclusive", "passed", "failed"]
    assert "No anomaly was found where one is expected" in matrix.read(folder).cells[6].news


def test_junit_is_valid_and_counts_right(folder, tmp_path):
    target = junit.write(folder, tmp_path / "deep" / "out.xml")
    xmlschema.validate(str(target), str(SCHEMA))
    suite = ET.parse(target).getroot()[0]
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7",
        "failures": "2",
        "errors": "1",
        "skipped": "2",
    }
    failure = suite[1].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.get("message") == "p3 read 17, but 18 had been written."
    assert "to repeat: quorate test etcd@3.5.30 -w register --seed 1" in failure.text
    assert "https://example.org/7" in failure.text
    assert [child.tag for child in suite[3]] == ["error"]
    assert suite[2].find("skipped") is not None


def test_the_schema_refuses_what_is_no_junit(tmp_path):
    (tmp_path / "bad.xml").write_text(
        '<testsuites><testsuite name="x" tests="1" failures="0" errors="0"><testcase/></testsuite></testsuites>'
    )
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        xmlschema.validate(str(tmp_path / "bad.xml"), str(SCHEMA))


@pytest.mark.parametrize("kind", ["register", "valid", "unknown", "hostile"])
def test_a_single_run_is_a_campaign_of_one(runs, kind, tmp_path):
    target = junit.write(runs[kind], tmp_path / "out.xml")
    xmlschema.validate(str(target), str(SCHEMA))
    tags = [child.tag for child in ET.parse(target).getroot()[0][0]]
    assert tags == {"valid": ["system-out"], "unknown": ["skipped", "system-out"]}.get(kind, ["failure"])


def test_a_run_that_did_not_end_is_an_error(run):
    (run / "results.json").unlink()
    assert "<error" in junit.text(run)


def test_github_says_nothing_elsewhere(folder):
    out = io.StringIO()
    assert not github.write(folder, environment={}, out=out)
    assert out.getvalue() == ""


def test_github_annotations_and_summary(folder, tmp_path):
    out, summary = io.StringIO(), tmp_path / "summary.md"
    assert github.write(
        folder, environment={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}, out=out
    )
    lines = out.getvalue().splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 3 + ["::warning"] * 2
    assert "::p3 read 17, but 18 had been written.%0Ato repeat: quorate test" in lines[0]
    assert "## nightly" in summary.read_text()


def test_nothing_escapes_from_an_annotation(runs):
    for line in github.commands(runs["hostile"]):
        assert line.startswith("::error title=")
        assert "\n" not in line
        assert "\r" not in line
        title = line.removeprefix("::error title=").partition("::")[0]
        assert "," not in title
        assert ":" not in title


def test_annotations_are_at_most_ten(tmp_path):
    many = written(tmp_path / "many", [cell(seed=seed, verdict="invalid") for seed in range(50)])
    lines = github.commands(many)
    assert len(lines) == 10
    assert "41 more" in lines[-1]


def test_markdown_names_the_bad_first_and_keeps_texts_texts(folder, runs):
    text = markdown.text(folder)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "seed" in line]
    assert [row[2] for row in rows] == ["❌", "❌", "💥", "❔", "❔", "✅", "✅"]
    hostile = markdown.text(runs["hostile"])
    outside = "".join(part for number, part in enumerate(hostile.split("```")) if number % 2 == 0)
    assert "<script" not in outside.replace("\\<script", "")
    assert "<img" not in outside.replace("\\<img", "")


def test_the_campaign_report_shows_matrix_rates_and_trends(folder):
    written(folder.parent / "20261011T030000Z-1", [cell(verdict="invalid")])
    written(folder.parent / "20261013T030000Z-1", [cell(verdict="invalid")])
    content = campaign.write(folder).read_text()
    assert "anomaly in 1 of 3 (6 to 79 %)" in content
    assert '<span class="trend" title="earlier campaigns, oldest first">✗</span>' in content
    assert "https://example.org/7" in content
    assert 'href="runs/1/' in content
    assert "1 not run" in content
    assert (
        "&lt;" not in content.partition("<main")[2]
        or "script" not in content.partition("<main")[2].partition("</main>")[0]
    )


def test_a_hostile_campaign_stays_text(tmp_path):
    bad = written(
        tmp_path / "bad",
        [
            cell(
                **dict.fromkeys(("name", "sentence", "command", "faults", "workload"), synthetic.HOSTILE),
                link="javascript:alert(1)",
                verdict="invalid",
            )
        ],
    )
    content = campaign.render(matrix.read(bad))
    assert content.count("<script") == 1
    assert "<img" not in content
    assert "javascript:" not in content
    assert "\x1b" not in campaign.text(bad)


def test_sarif_alerts_for_what_is_not_as_expected(folder, tmp_path):
    log = json.loads(sarif.write(folder, tmp_path / "out.sarif", "campaigns/nightly.toml").read_text())
    (run,) = log["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    results = run["results"]
    assert log["version"] == "2.1.0"
    assert [row["ruleId"] for row in results] == [
        "anomaly", "inconclusive", "infrastructure", "inconclusive", "not-found-again",
    ]  # fmt: skip
    assert {row["ruleId"] for row in results} <= rules
    assert [row["level"] for row in results] == ["error", "note", "warning", "note", "error"]
    assert "p3 read 17" in results[0]["message"]["text"]
    assert "quorate test etcd@3.5.30 -w register --seed 1" in results[0]["message"]["text"]
    for row in results:
        place = row["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "campaigns/nightly.toml"
        assert place["region"]["startLine"] == 1
    marks = [row["partialFingerprints"]["quorateCell/v1"] for row in results]
    assert marks[1] == marks[3], "repeats of a cell are one alert"
    assert len(set(marks)) == 4


def test_sarif_of_a_single_run(tmp_path):
    log = json.loads(sarif.text(synthetic.make(tmp_path / "run", operations=300)))
    (row,) = log["runs"][0]["results"]
    assert row["ruleId"] == "anomaly"
    assert row["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "test.json"


def test_a_sparse_matrix_is_a_list_and_long_lists_are_cut(tmp_path):
    numbers = ",".join(map(str, range(200)))
    cells = [cell(faults=fault, workload=workload, name=f"etcd {workload} {fault}", sentence=f"read [{numbers}]")
             for fault, workload in (("kill", "lock"), ("pause", "set"), ("none", "queue"))]  # fmt: skip
    (tmp_path / "campaign.json").write_text(json.dumps({"name": "n", "cells": cells}))
    content = campaign.render(matrix.read(tmp_path))
    assert "how often" in content
    assert "199 (200 in all)]" in content
    assert "100,101" not in content
    dense = [cell(faults=fault) for fault in ("kill", "pause")]
    (tmp_path / "campaign.json").write_text(json.dumps({"name": "n", "cells": dense}))
    content = campaign.render(matrix.read(tmp_path))
    assert "how often" not in content
    assert "local, 3 nodes" in content


def test_the_campaign_in_a_terminal(folder):
    text = campaign.text(folder, width=80)
    assert "✗ etcd@3.5.30 register partition localx3 seed 2: p3 read 17" in text
    assert text.splitlines()[-1].startswith(
        "nightly: 7 runs: 2 as expected, 2 failures, 1 infrastructure error, 2 inconclusive, 1 not run"
    )
    assert "\x1b[31m" in campaign.text(folder, colour=True)


def test_a_damaged_campaign(tmp_path):
    (tmp_path / "campaign.json").write_text(
        '{"cells": [1, {"seed": "x"}, {"name": "good", "verdict": "valid"}]}'
    )
    found = matrix.read(tmp_path)
    assert len(found.cells) == 1
    assert len(found.problems) == 2
    campaign.write(tmp_path)
    (tmp_path / "campaign.json").write_text("{")
    assert "cannot be read" in campaign.text(tmp_path)
    with pytest.raises(Broken, match="neither a campaign"):
        matrix.read(tmp_path / "elsewhere")


def test_comparing_two_runs(runs, tmp_path):
    text = compare.text(runs["valid"], runs["register"])
    assert text.startswith("valid → invalid")
    assert "new: stale read" in text
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith(("  a ", "  b ")))
    page = compare.write(runs["valid"], runs["hostile"], tmp_path / "compare.html").read_text()
    assert "<script" not in page
    assert "Latency by quantile" in page


def test_figures_that_got_worse_are_called_so(run, tmp_path):
    other = synthetic.make(tmp_path / "other" / "run", operations=600)
    results = json.loads((other / "results.json").read_text())
    results["statistics"]["by_function"]["read"]["latency_ms"]["p99"] *= 3
    results["statistics"]["rate_per_s"] *= 2
    results["availability"]["n1"] = 0.5
    (other / "results.json").write_text(json.dumps(results))
    found = {row.name: row.tone for table in compare.compare(run, other).tables for row in table.rows}
    assert (found["read p99"], found["ok a second"], found["n1 served"], found["n2 served"]) == (
        "worse",
        "better",
        "worse",
        "",
    )


def test_comparing_campaigns_and_not_apples_with_pears(folder, run):
    before = written(folder.parent / "20261011T030000Z-1", [cell(seed=seed) for seed in range(3)])
    found = compare.compare(before, folder)
    assert found.headline.startswith("1 cell worse")
    with pytest.raises(Broken, match="two of a kind"):
        compare.compare(folder, run)
    with pytest.raises(Broken, match="no run at"):
        compare.compare(run, run / "nowhere")


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (0, 0, 0.0, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_wilson(hits, tries, low, high):
    """The last line is Newcombe's example (Statistics in Medicine 1998, table I)."""
    assert rates.interval(hits, tries) == pytest.approx((low, high), abs=1e-4)
