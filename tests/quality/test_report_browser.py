"""The report in a real browser: it opens, zooms, filters and explains, and what comes from the run stays text."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "unit" / "reports")]

import browser as headless  # noqa: E402 - found through the line above
import synthetic  # noqa: E402

from quorate.reports import campaign, compare, html, stored  # noqa: E402
from quorate.reports.serve import serve  # noqa: E402

pytestmark = pytest.mark.skipif(
    headless.missing() is not None, reason=f"no browser test: {headless.missing()}"
)

# The first sixty of every 97th operation, as the page unpacked them.
UNPACKED = """
const o = quorate.view.operations;
const row = (i) => [o.begin[i], o.tookS(i), o.process[i], o.outcome[i], o.keys[o.key_[i]], o.nodes[o.node[i]],
  o.versions[i], o.invoked[i], o.text(o.value[i]), o.text(o.more[i])];
return [o.n, [...Array(60).keys()].map((k) => row(k * 97))]"""
CHOOSE_KEY = """
const choice = document.getElementById('by-key');
choice.value = [...choice.options].find((option) => option.textContent === '"k7"').value;
choice.dispatchEvent(new Event('change', {bubbles: true}))"""
PAINTED = """
const c = document.querySelector('#live canvas');
const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set();
for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) seen.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2]);
return [...seen].slice(0, 5000)"""
NAMED = """
const style = getComputedStyle(document.documentElement);
return ['ok', 'fail', 'info', 'fault'].map((n) => parseInt(style.getPropertyValue('--' + n).trim().slice(1), 16))"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with headless.browser(tmp_path_factory.mktemp("browser")) as made:
        made.size(1280, 900)
        yield made


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    return html.write(synthetic.make(tmp_path_factory.mktemp("run") / "run", operations=6000))


@pytest.fixture
def page(chromium, report):
    chromium.console()
    chromium.open(report.as_uri())
    yield chromium
    assert chromium.console() == []


def test_every_operation_arrives_as_it_was_written(page, report):
    o = stored.read(report.parent).operations
    got = page.run(UNPACKED)
    assert got[0] == len(o) == 6000
    for number, row in enumerate(got[1]):
        i = number * 97
        asked, answer = o.texts[o.asked[i]], o.texts[o.got[i]]
        took = None if o.end_us[i] < 0 else (o.end_us[i] - o.begin_us[i]) / 1e6
        assert row[0] == o.begin_us[i]
        assert row[1] == (None if took is None else pytest.approx(took))
        assert row[2:8] == [
            o.process[i],
            o.outcome[i] - 1,
            o.keys[o.key[i]],
            o.nodes[o.place[i]],
            o.version[i],
            o.invoked[i],
        ]
        assert row[8] == (answer if asked == "null" else asked)
        assert row[9] == ("null" if asked in ("null", answer) else answer)


def test_it_opens_quickly(chromium, report):
    assert chromium.open(report.as_uri()) < 5


def test_zooming_to_a_single_operation_and_back(page):
    page.keys("canvas.over", "+++++++++++++++")
    first = page.run("return [quorate.view.to - quorate.view.from, quorate.timeline.seen]")
    assert first[0] < 0.01
    page.keys("canvas.over", "0")
    assert page.run("return quorate.timeline.seen") == 6000
    page.run(
        "[...document.querySelectorAll('button')].find(b => b.textContent === 'Go to the anomaly').click()"
    )
    page.until("return quorate.timeline.seen < 20 && quorate.view.mask[quorate.view.picked] === 1")
    assert "could not have happened" in page.run("return document.getElementById('picked').textContent")
    page.until("return document.querySelectorAll('#rows tr.culprit').length === 1")


def test_dragging_zooms_and_hovering_links_everything(page):
    page.run("document.getElementById('time').scrollIntoView({behavior: 'instant'})")
    box = page.run(
        "const b = document.querySelector('canvas.over').getBoundingClientRect(); return [b.left, b.top]"
    )
    y = int(box[1] + 200)
    page.mouse(
        {"type": "pointerMove", "x": int(box[0] + 300), "y": y, "duration": 0}, {"type": "pointerDown", "button": 0},
        {"type": "pointerMove", "x": int(box[0] + 500), "y": y, "duration": 50}, {"type": "pointerUp", "button": 0},
    )  # fmt: skip
    page.until("return quorate.view.to - quorate.view.from < quorate.view.end / 2")
    i = page.run("return quorate.view.operations.from((quorate.view.from + quorate.view.to) / 2)")
    at = page.run("const t = quorate.timeline; return [t.x(t.o.beginS(arguments[0])), t.y(arguments[0])]", i)
    page.mouse({"type": "pointerMove", "x": int(box[0] + at[0]), "y": int(box[1] + at[1]), "duration": 0})
    page.until("return quorate.view.hover >= 0 && !document.getElementById('tip').hidden")
    tip = page.run("return document.getElementById('tip').textContent")
    assert "leader n" in tip
    assert "p" in tip
    page.run("document.querySelector('svg .op.culprit').focus()")
    page.until(
        "return document.querySelectorAll('tr.linked').length === 1 && quorate.view.culprits.has(quorate.view.hover)"
    )


def test_filters_and_search(page):
    def shown():
        page.until("return true")
        return page.run("return [quorate.view.matching, quorate.browser.found.length]")

    page.run("document.getElementById('only-ok').click()")
    failed = page.run(
        "const o = quorate.view.operations; let n = 0; for (const x of o.outcome) n += x !== 0; return n"
    )
    page.until(f"return quorate.browser.found.length === {failed}")
    assert shown() == [failed, failed]
    page.run("document.querySelector('button[type=reset]').click()")
    page.until("return quorate.view.matching === 6000")
    page.keys("#search", "1201")
    page.until("return quorate.view.matching > 0 && quorate.view.matching < 30")
    page.until("return document.querySelectorAll('#rows tbody tr').length === quorate.browser.found.length")
    rows = page.run("return [...document.querySelectorAll('#rows tbody tr')].map(r => r.textContent)")
    assert rows
    assert all("1201" in row for row in rows)
    page.run("document.querySelector('button[type=reset]').click()")
    page.run(CHOOSE_KEY)
    page.until("return quorate.view.matching < 1000")
    page.run("document.getElementById('only-anomaly').click()")
    page.until("return quorate.browser.found.length === 3")
    page.run("document.getElementById('lanes').click()")
    assert page.run("return quorate.timeline.rank.size") in (2, 3)


def test_both_themes_paint_and_nothing_overflows(page):
    seen = set()
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        page.until(f"return matchMedia('(prefers-color-scheme: {scheme})').matches")
        page.run("return new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(1))))")
        colours, wanted = page.run(PAINTED), page.run(NAMED)
        assert set(wanted) <= set(colours)
        seen.add(tuple(wanted))
    assert len(seen) == 2
    for width in (1280, 700, 400):
        page.size(width, 900)
        page.until("return new Promise(r => requestAnimationFrame(() => r(true)))")
        assert page.run(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ), width
    page.size(1280, 900)
    page.scheme("light")


CULPRITS = """
return [...document.querySelectorAll('#anomaly-1 .scroll')].filter((s) => s.scrollWidth > s.clientWidth)
  .map((s) => [s, s.querySelector('.culprit')?.querySelector('rect, code')])
  .map(([s, c]) => [s.getBoundingClientRect(), c?.getBoundingClientRect()])
  .filter(([_, c]) => c).map(([s, c]) => [s.left, s.right, c.left, c.right])"""


def test_on_a_phone_the_culprit_is_in_view(chromium, report):
    chromium.size(390, 844)
    try:
        chromium.open(report.as_uri())
        found = chromium.run(CULPRITS)
        assert found, "at this width something scrolls"
        for left, right, begin, end in found:
            assert min(right, end) - max(left, begin) > 20, "the culprit is hidden"
    finally:
        chromium.size(1280, 900)


def test_without_a_script_verdict_explanation_and_drawings_are_there(report, tmp_path):
    with headless.browser(tmp_path, script=False) as plain:
        plain.open(report.as_uri(), "return document.readyState === 'complete'")
        text = plain.run("return document.body.innerText")
        for words in (
            "Invalid",
            "could not have happened",
            "legal state after it",
            "3 of 3 probes",
            "Browsing single operations needs JavaScript",
        ):
            assert words in text, words
        assert plain.run("return document.querySelector('svg.overview').getBoundingClientRect().height") > 200
        assert plain.run("return document.documentElement.dataset.ready") is None


def test_hostile_runs_run_nothing(chromium, tmp_path):
    target = html.write(synthetic.make(tmp_path / "run", hostile=True, operations=1500))
    chromium.open(target.as_uri())
    chromium.keys("#search", "alert")
    chromium.until("return quorate.view.matching > 0 && quorate.view.matching < 1500")
    chromium.until(
        "return [...document.querySelectorAll('#rows tbody tr')].every(r => r.textContent.includes('alert'))"
    )
    chromium.run("quorate.view.pick(quorate.browser.found[0])")
    assert (
        chromium.run(
            "return document.querySelectorAll('img').length + document.querySelectorAll('script').length"
        )
        == 1
    )
    assert chromium.console() == []


def test_campaign_comparison_and_the_served_report(chromium, report, tmp_path):
    nightly = tmp_path / "campaigns" / "nightly" / "1"
    nightly.mkdir(parents=True)
    cells = [
        {"name": "a", "verdict": "valid", "seed": 1},
        {"name": "b", "verdict": "invalid", "sentence": "stale", "seed": 2},
    ]
    (nightly / "campaign.json").write_text(json.dumps({"name": "nightly", "cells": cells}))
    chromium.open(campaign.write(nightly).as_uri())
    chromium.keys("#text", "stale")
    chromium.until("return document.getElementById('shown').textContent === '1 of 2'")
    chromium.open(
        compare.write(report.parent, report.parent, tmp_path / "c.html").as_uri(),
        "return document.readyState === 'complete'",
    )
    synthetic.make(tmp_path / "name" / "run", operations=400)
    server = serve(tmp_path, port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        chromium.open(server.url, "return document.readyState === 'complete'")
        chromium.run("document.querySelector('td a').click()")
        chromium.until("return document.documentElement.dataset.ready === 'yes'")
        assert chromium.run("return quorate.view.operations.n") == 400
    finally:
        server.shutdown()
        server.server_close()
    assert [line for line in chromium.console() if "favicon" not in line] == []
