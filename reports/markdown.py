"""A run or a campaign as Markdown: for a pull request's comment, an issue, a step summary."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from quorate.reports import matrix, output, stored, terminal, terminal_text, words
from quorate.reports.matrix import Matrix

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|~&$])")
# A user's name in a value must not notify them; a release such as etcd@3.5.30 names no user.
_MENTION: Final = re.compile(r"(?<!\w)@")
_MARKS: Final = {"passed": "✅", "failed": "❌", "error": "💥", "inconclusive": "❔"}
_WIDTH: Final = 100
_ROWS_MAX: Final = 500


def write(folder: Path, target: Path) -> Path:
    """Write the Markdown of a campaign's folder or a run's."""
    return output.write(target, text(folder))


def text(folder: Path) -> str:
    """Return the Markdown as text; everything from the run is escaped, so that it stays text."""
    found = matrix.read(folder)
    lines = [f"## {escape(found.name)}", ""]
    if found.single:
        lines += _run(folder)
    else:
        lines += _campaign(found)
    lines += [f"- note: {escape(problem)}" for problem in found.problems]
    return "\n".join(lines).rstrip() + "\n"


def escape(content: object) -> str:
    """Keep a text a text, in a table's cell as elsewhere."""
    return _MENTION.sub("&#64;", _SPECIAL.sub(r"\\\1", terminal_text.clean(str(content))))


def code(content: str) -> str:
    """Fence a text with more backticks than it holds."""
    content = "\n".join(terminal_text.clean(line) for line in content.splitlines())
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{content}\n{fence}"


def _run(folder: Path) -> list[str]:
    run = stored.read(folder, history=False)
    headline = escape(run.headline)
    lines = [
        f"**{run.sign} {run.outcome}**: {headline}",
        "",
        escape(run.results.reason),
        "",
    ]
    lines += ["| guarantee | verdict | what |", "| --- | --- | --- |"]
    for result in run.results.guarantees:
        what = result.anomalies[0].sentence if result.anomalies else result.reason
        lines.append(f"| {escape(result.guarantee)} | {result.verdict} | {escape(words.cut(what, 400))} |")
    counts = run.results.statistics
    lines += [
        "",
        f"{counts.operations:,} operations: {counts.ok:,} ok, {counts.fail:,} failed, {counts.info:,} unknown.",
        "",
    ]
    if run.results.faults:
        lines += [
            "| fault | on | in force | proof | served | longest outage | recovery |",
            "| --- | --- | --- | --- | ---: | ---: | ---: |",
        ]
    for row in run.results.faults[:_ROWS_MAX]:
        proof = (
            stored.proof_of(row)
            if row.proof is None
            else ("" if row.proof.holds else "did not hold: ") + row.proof.text
        )
        cells = (row.fault, ", ".join(row.nodes), stored.when(row), proof)
        cost = f"{words.share(row.availability)} | {words.duration(row.outage_s)} | {words.duration(row.recovery_s)}"
        lines.append("| " + " | ".join(map(escape, cells)) + f" | {cost} |")
    if run.results.verdict != "valid":
        lines += [
            "",
            "<details><summary>The explanation</summary>",
            "",
            code(terminal.write(folder, width=_WIDTH)),
            "",
            "</details>",
        ]
    command = run.test.get("command")
    if command:
        lines += ["", "To repeat:", "", code(str(command))]
    return lines


def _campaign(found: Matrix) -> list[str]:
    lines = [f"**{escape(matrix.headline(found))}** in {words.duration(found.time_s)}.", ""]
    lines += ["| | run | verdict | expected | what | time |", "| --- | --- | --- | --- | --- | ---: |"]
    order = ("failed", "error", "inconclusive", "passed")
    cells = sorted(found.cells, key=lambda cell: order.index(cell.state))
    for cell in cells[:_ROWS_MAX]:
        what = escape(words.cut(cell.news, 300)) if cell.state != "passed" else ""
        name = (
            f"[{escape(cell.title)}]({cell.link})"
            if cell.link and re.fullmatch(r"https?://[^\s()<>|]+", cell.link)
            else escape(cell.title)
        )
        expect = "" if cell.expect == "valid" else escape(cell.expect)
        row = (_MARKS[cell.state], name, escape(cell.verdict), expect, what, words.duration(cell.time_s))
        lines.append("| " + " | ".join(row) + " |")
    if len(cells) > _ROWS_MAX:
        lines.append(f"\n{len(cells) - _ROWS_MAX} more are in campaign.json.")
    bad = [cell for cell in cells if cell.state in ("failed", "error") and cell.command]
    if bad:
        lines += ["", "To repeat what went wrong:", "", code("\n".join(cell.command for cell in bad[:20]))]
    return lines
