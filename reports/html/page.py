"""From a stored run to one HTML file.

See docs/decisions/reports.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np
from markupsafe import Markup

from quorate.harness.core.outcome import Broken
from quorate.harness.core.store import REPORT, TEST
from quorate.harness.core.verdict import Anomaly, Result, Verdict
from quorate.reports import (
    evidence,
    holds,
    lists,
    logs,
    moments,
    output,
    stored,
    watched,
    weakness,
    why,
    words,
)
from quorate.reports.html import drawings, overview, planes
from quorate.reports.html import watched as watch
from quorate.reports.stored import StoredRun

_HERE: Final = Path(__file__).parent
SCRIPTS: Final = ("data.js", "view.js", "timeline.js", "browser.js", "main.js")
_ANOMALIES_SHOWN: Final = 10
_DRAWN_MAX: Final = 16
_DRAWN_FEW: Final = 10
_REASON_MAX: Final = 260
_BUDGET_PER_OPERATION: Final = 10
_BUDGET_LEAST: Final = 1_000_000
_BUDGET_MOST: Final = 10_000_000


def write(run_folder: Path, target: Path | None = None) -> Path:
    """Write the report of a stored run, by default as `report.html` in its folder, and return the file.

    What is missing or damaged in the folder costs its own part and is said in the report. Raises `Broken` where the
    folder does not exist or the file cannot be written.
    """
    if not run_folder.is_dir():
        raise Broken("report", f"no run at {run_folder}")
    return output.write(target or run_folder / REPORT, render(stored.read(run_folder)))


def render(run: StoredRun) -> str:
    """Return the page as text."""
    end_s = run.duration_s
    counted = overview.buckets(run.operations, end_s)
    shown = [
        _anomaly(anomaly, result, run)
        for result, anomaly in evidence.chosen(run.results.guarantees)[:_ANOMALIES_SHOWN]
    ]
    wanted = sorted({row.position for item in shown for row in item["rows"]})
    context = _context(run, end_s, counted, shown)
    template = environment().get_template("report.html.j2")
    taken = len(template.render(context | {"packed": "", "left_out": ""}).encode("utf-8", "replace"))
    budget = min(_BUDGET_MOST, max(_BUDGET_LEAST, _BUDGET_PER_OPERATION * len(run.operations)))
    room = max(50_000, budget - taken - 200)
    extra = _extra(run, end_s, counted, wanted)
    packed, left_out = planes.pack(run.operations, np.array(wanted, dtype=np.int64), extra, room)
    return template.render(context | {"packed": packed, "left_out": left_out})


@cache
def environment() -> jinja2.Environment:
    """Return the templates' environment: everything is escaped, missing names are errors."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "proof_of": stored.proof_of,
        "told": stored.told,
        "duration": words.duration,
        "seconds": words.seconds,
        "share": words.share,
        "count": words.count,
        "json": pretty,
        "when": stored.when,
        "plural": words.plural,
        "size": size,
        "plain": words.plain,
        "brief": words.brief,
        "web": weakness.web,
        "promise": weakness.promise,
        "aged": weakness.figures,
        "minute": words.minute,
    }
    return made


def pretty(value: Any) -> str:
    """Write a setting or a number as people read it: texts bare, everything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "none"
    return json.dumps(value, ensure_ascii=False, default=str)


def size(octets: float) -> str:
    """Write a file's size."""
    for unit in ("B", "kB", "MB"):
        if octets < 1000:  # noqa: PLR2004
            return f"{octets:.0f} {unit}" if unit == "B" else f"{octets:.1f} {unit}"
        octets /= 1000
    return f"{octets:.1f} GB"


@cache
def assets(scripts: tuple[str, ...] = SCRIPTS, style: str = "report.css") -> Mapping[str, Any]:
    """Return style and script, and a policy that allows only these two."""
    css = (_HERE / style).read_text("utf-8")
    js = (
        '"use strict";\n' + "\n".join((_HERE / name).read_text("utf-8") for name in scripts)
        if scripts
        else ""
    )
    policy = (
        f"default-src 'none'; style-src '{_hash(css)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    if js:
        policy += f"; script-src '{_hash(js)}'"
    return {"css": Markup(css), "js": Markup(js), "policy": policy}  # noqa: S704 - our own files


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _anomaly(anomaly: Anomaly, result: Result, run: StoredRun) -> dict[str, Any]:
    """Everything the page shows of one anomaly."""
    rows, missing = evidence.drawn(anomaly, run.operations)
    few = rows
    if len(rows) > _DRAWN_MAX:
        few, _ = evidence.drawn(anomaly, run.operations, _DRAWN_FEW)
    edges, legend = evidence.cycle_of(anomaly, rows)
    loop = evidence.loop_of(anomaly, rows, edges, legend)
    held = holds.told(anomaly, result.model, run.operations, rows)
    culprit = next((row for row in rows if row.culprit), None)
    if edges:
        rows, few = evidence.without_culprit(rows), evidence.without_culprit(few)
    moment = culprit.begin_us / 1e6 if culprit else held[0].begin_s if held else None
    story = watched.watched_of(anomaly)
    return {
        "anomaly": anomaly,
        "key": "" if anomaly.key is None else evidence.json_text(anomaly.key).strip('"'),
        "guarantee": result.guarantee,
        "rows": rows,
        "missing": missing,
        "undrawn": len(rows) - len(few),
        "has_state": any(row.state or row.note for row in rows),
        "has_version": any(row.version is not None for row in rows),
        "outcomes": {row.outcome for row in rows},
        "meaning": words.MEANINGS.get(anomaly.name, ""),
        "diagram": drawings.diagram(few, f"Operations of the anomaly: {anomaly.sentence}"),
        "edges": [] if loop else edges,
        "legend": {} if loop else legend,
        "loop": loop,
        "intervals": drawings.intervals(
            held, f"Who held what: {anomaly.sentence}", evidence.marks_of(anomaly)
        ),
        "list": lists.listed_of(anomaly),
        "watch": watch.drawing(story, f"What the watch was shown: {anomaly.sentence}"),
        "watcher": story.who if story else "",
        "now": moments.at_that_moment(run, culprit),
        "documented": weakness.documented(run.results.weak_reads, anomaly.name),
        "lines": run.lines.around(moment) if moment is not None else [],
        "why": why.sentences(run, result, anomaly),
        "moment": moment,
        "detail": evidence.rest_of(anomaly),
    }


def _context(
    run: StoredRun, end_s: float, counted: dict[str, Any], shown: list[dict[str, Any]]
) -> dict[str, Any]:
    test = run.test
    total = sum(len(result.anomalies) for result in run.results.guarantees)
    hidden = {
        "options",
        "conducted",
        "argv",
        "command",
        "versions",
        "name",
        "system",
        "release",
        "started",
        "settings",
        "tuning",
    }
    return {
        "run": run,
        "assets": assets(),
        "sign": run.sign,
        "verdict": run.outcome,
        "headline": run.headline,
        "reason": _reason(run, bool(shown)),
        "tested": _tested(run),
        "outage": max((row.outage_s for row in run.results.faults if row.outage_s is not None), default=None),
        "recovery": max(
            (row.recovery_s for row in run.results.faults if row.recovery_s is not None), default=None
        ),
        "proved": sum(1 for row in run.results.faults if row.proof is not None and row.proof.holds),
        "end_s": end_s,
        "anomalies": shown,
        "anomalies_hidden": max(0, total - len(shown)),
        "overview": overview.drawing(run, counted, end_s) if len(run.operations) else Markup(),
        "options": {key.replace("_", " "): value for key, value in sorted(test.items()) if key not in hidden},
        "settings": test.get("settings") if isinstance(test.get("settings"), dict) else {},
        "versions": _versions(test.get("versions")),
        "command": str(test.get("command") or ""),
        "files": [file for file in logs.files(run.folder) if file["path"] != REPORT],
        "has_test": (run.folder / TEST).exists(),
        "signs": {str(verdict): sign for verdict, sign in words.SIGNS.items()},
        "means": {str(verdict): text for verdict, text in _MEANS.items()},
    }


def _reason(run: StoredRun, explained: bool) -> str:  # noqa: FBT001
    """The reason for the head of the page: where an anomaly explains itself below, only how it begins."""
    reason = run.results.reason
    if not explained or len(reason) <= _REASON_MAX:
        return reason
    ends = [at for mark in (": ", "; ", ". ") if (at := reason.find(mark, 60, _REASON_MAX)) >= 0]
    return reason[: max(ends)] + " …" if ends else words.cut(reason, _REASON_MAX)


def _tested(run: StoredRun) -> list[tuple[str, str]]:
    """What was tested, for the line above the verdict: names and values."""
    test = run.test
    wanted = (("workload", "workload"), ("faults", "faults"), ("cluster", "cluster"), ("nodes", "nodes"))
    found = [(name, pretty(test[key])) for name, key in wanted if test.get(key) not in (None, "", [])]
    given = stored.given(run)
    found += [("set", words.cut(", ".join(given), 400))] if given else []
    if run.tuning:
        found.append(("tuning", run.tuning))
    if isinstance(test.get("started"), str):
        found.append(("started", f"{words.minute(test['started'])} UTC"))
    return found


def _versions(versions: Any) -> dict[str, Any]:
    """Versions by name; nodes that run the same release share a line."""
    if not isinstance(versions, dict):
        return {}
    found = dict(versions)
    nodes = found.pop("nodes", None)
    if not isinstance(nodes, dict):
        return versions
    by_release: dict[str, list[str]] = {}
    for node, release in nodes.items():
        by_release.setdefault(pretty(release), []).append(str(node))
    return found | {words.listed(names): release for release, names in by_release.items()}


_MEANS: Final = {
    Verdict.VALID: "held",
    Verdict.INVALID: "was broken",
    Verdict.UNKNOWN: "could not be decided",
}


def _extra(run: StoredRun, end_s: float, counted: dict[str, Any], wanted: list[int]) -> dict[str, Any]:
    """What the time axis draws besides operations: texts and numbers, which the script never parses as HTML."""
    faults = []
    for row in run.results.faults:
        inside = stored.span(row, end_s)
        if inside is not None:
            faults.append(
                {
                    "fault": row.fault, "target": row.target or "", "nodes": list(row.nodes), "from": inside[0],
                    "to": inside[1], "proved": row.injected_s, "holds": row.proof is not None and row.proof.holds,
                    "proof": stored.proof_of(row), "healed": row.healed_s is not None,
                }
            )  # fmt: skip
    return {
        "end": end_s,
        "faults": faults,
        "leaders": [
            {"time": item.time_s, "node": item.node, "term": item.term} for item in run.results.leaders
        ],
        "unavailable": [
            {"node": item.node, "from": item.from_s, "to": item.to_s} for item in run.results.unavailable
        ],
        "lines": [[line.time_s, line.node, line.level, words.cut(line.text, 240)] for line in run.lines.kept],
        "buckets": counted,
        "marked": [int(run.operations.invoked[position]) for position in wanted],
        "culprits": [
            item.culprit
            for result in run.results.guarantees
            for item in result.anomalies
            if item.culprit is not None
        ],
    }
