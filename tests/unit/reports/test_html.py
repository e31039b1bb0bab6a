from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import synthetic

from quorate.harness.core.outcome import Broken
from quorate.harness.core.verdict import Verdict
from quorate.reports import html, stored, terminal
from quorate.reports.html import page, planes


class Tags(HTMLParser):
    """Every element with its attributes, and the text outside of script and style."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inside: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.text += data


def rendered(folder: Path) -> str:
    return page.render(stored.read(folder))


def test_a_report_says_the_verdict_its_evidence_and_how_to_repeat_it(runs):
    text = Tags(rendered(runs["register"])).text
    for words in (
        "Invalid", "linearizable was broken", "stale read", "read 400 from k7", "could not have happened",
        "could only have met 401", "3 of 3 probes from n1 to n2 and n3 died", "quorate test etcd@3.5.30",
        "--seed 7", "lost leader", "versions never regress", "history.jsonl.zst",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("kind", "words"),
    [("valid", "All 2 guarantees held"), ("unknown", "pause was injected once, proved never")],
)
def test_other_verdicts_are_said_as_plainly(runs, kind, words):
    assert words in Tags(rendered(runs[kind])).text


def test_a_cycle_is_drawn_with_its_edges_explained(runs):
    content = rendered(runs["append"])
    assert 'class="cycle"' in content
    assert "T2 read the element that T1 appended to k7" in Tags(content).text


def test_intervals_of_a_lock_are_drawn_and_the_overlap_marked(runs):
    content = rendered(runs["lock"])
    assert content.count("held twice") == 1
    assert "token 31" in content


def test_the_page_loads_nothing_and_its_policy_forbids_it_to(runs):
    content = rendered(runs["hostile"])
    tags = Tags(content).found
    assert not [tag for tag, _ in tags if tag in ("link", "iframe", "object", "embed", "base", "img")]
    assert not [attributes for tag, attributes in tags if tag == "script" and "src" in attributes]
    assert not [
        name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"
    ]
    policy = next(attributes["content"] for tag, attributes in tags if attributes.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    script = re.search(r"<script>(.*)</script>\n</body>", content, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_what_comes_from_the_run_stays_text(runs):
    content = rendered(runs["hostile"])
    tags = Tags(content).found
    assert sum(1 for tag, _ in tags if tag == "script") == 2
    assert "alert(1)" in Tags(content).text
    assert "49" not in re.findall(r"\{\{|\}\}|49", Tags(content).text) or "{{7*7}}" in Tags(content).text


def test_the_same_run_gives_the_same_page(runs):
    assert rendered(runs["register"]) == rendered(runs["register"])


def test_write_puts_the_file_where_it_is_asked_to(run, tmp_path):
    assert html.write(run) == run / "report.html"
    assert html.write(run, tmp_path / "other.html").read_text() == (run / "report.html").read_text()
    assert not [path for path in run.iterdir() if path.name.endswith(".tmp")]
    with pytest.raises(Broken, match="no run at"):
        html.write(tmp_path / "nowhere")
    with pytest.raises(Broken, match="cannot write"):
        html.write(run, tmp_path / "nowhere" / "report.html")


def test_a_hundred_thousand_operations_fit_into_a_megabyte(tmp_path):
    """Measured on fewer: what the page takes by itself, what each operation adds; bench/html_report.py has more."""
    few, many = (synthetic.make(tmp_path / str(n), operations=n, rate=2000) for n in (1000, 21_000))
    alone, size = (html.write(folder).stat().st_size for folder in (few, many))
    assert alone + 99 * (size - alone) / 20 <= 1_000_000
    assert (
        "are shown"
        not in (many / "report.html").read_text().partition('id="packed"')[0].partition('id="operations"')[2]
    )


def test_packing_drops_the_least_wanted_first_and_says_so(tmp_path):
    operations = stored.read(synthetic.make(tmp_path / "run", operations=12_000)).operations
    wanted = np.array([400, 401, 402])
    whole, nothing = planes.pack(operations, wanted, {}, 10**9)
    assert nothing == ""
    sizes = [len(whole)]
    for budget in (len(whole) - 1, len(whole) * 2 // 3, len(whole) // 3):
        text, left_out = planes.pack(operations, wanted, {}, budget)
        assert len(text) <= budget
        assert "history.jsonl.zst" in left_out
        sizes.append(len(text))
    assert sizes == sorted(sizes, reverse=True)
    assert re.search(r"[\d,]+ of 12,000 operations are shown", left_out)


def test_base85_avoids_everything_that_means_something_in_html():
    text = planes.base85(bytes(range(256)) * 3)
    assert text.startswith("768:")
    assert not set(text) & set("<>&\"'`\\")
    assert len(text) == 4 + 960


def test_an_anomaly_about_operations_that_are_not_there_costs_only_its_drawing(run):
    results = run / "results.json"
    results.write_text(results.read_text().replace('"culprit": ', '"culprit": 99999'))
    report = stored.read(run)
    assert report.results.verdict == Verdict.INVALID
    assert "stale read" in Tags(page.render(report)).text


def test_a_cycle_between_named_transactions_keeps_their_names(run):
    results = json.loads((run / "results.json").read_text())
    anomaly = results["guarantees"][0]["anomalies"][0]
    anomaly["detail"] = {
        "transactions": [
            {"name": "T1", "index": anomaly["events"][0], "process": 1, "value": []},
            {"name": "T9", "index": 10**9, "process": 4, "value": [["r", "x", list(range(30))]]},
        ],
        "cycle": [
            {"from": "T9", "to": "T1", "kind": "rw", "why": "T9 missed T1"},
            {"from": "T1", "to": "T9", "kind": "rt"},
        ],
    }
    results["deaths"] = [{"time_s": 1.25, "node": "n2"}]
    (run / "results.json").write_text(json.dumps(results))
    text = Tags(rendered(run)).text
    assert "T9 missed T1" in text
    assert "ended before the other began" in text
    assert "p4 r x → […,26,27,28,29]" in text
    assert "write k7 120" in text
    assert "✗ could not have happened" not in text
    assert "n2 at 1.250 s" in text
    assert "T9 ─rw→ T1" in terminal.write(run)
    assert "the server of n2 ended by itself at 1.250 s" in terminal.write(run)


def test_no_kind_of_anomaly_crowds_out_the_others(run):
    results = json.loads((run / "results.json").read_text())
    one = results["guarantees"][0]["anomalies"][0]
    results["guarantees"][0]["anomalies"] = [one] * 30 + [one | {"name": "lost write"}]
    results["guarantees"][1] |= {"verdict": "invalid", "anomalies": [one | {"name": "version went back"}]}
    (run / "results.json").write_text(json.dumps(results))
    headings = re.findall(r"(?:<h2>|<summary><b>)([a-z ]+) <small>", rendered(run))
    assert headings[:3] == ["stale read", "lost write", "version went back"]
    assert len(headings) == 10
