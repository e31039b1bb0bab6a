"""JUnit XML, as CI systems read it: suite = campaign, case = run, failure = anomaly, error = infrastructure.

A run that proves nothing either way is `skipped`: JUnit knows no better word, and a pass it is not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from quorate.harness.core.outcome import Broken
from quorate.harness.core.reading import read_object
from quorate.reports import matrix, output
from quorate.reports.matrix import Cell, Matrix

# What XML 1.0 cannot hold, not even escaped.
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TEXT_MAX: Final = 20_000


def write(folder: Path, target: Path | str) -> Path:
    """Write the XML of a campaign's folder or a run's; raise `Broken` where it is neither, or cannot be written."""
    path = Path(target)
    content = text(folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Broken("report", f"cannot write {path}: {error}") from error
    return output.write(path, content)


def text(folder: Path) -> str:
    """Return the XML as text."""
    found = matrix.read(folder)
    counts = {
        "tests": str(len(found.cells)),
        "failures": str(found.count("failed")),
        "errors": str(found.count("error")),
        "skipped": str(found.count("inconclusive")),
        "time": f"{sum(cell.time_s for cell in found.cells):.3f}",
    }
    root = ET.Element(
        "testsuites", {"name": "quorate", **{k: v for k, v in counts.items() if k != "skipped"}}
    )
    suite = ET.SubElement(root, "testsuite", {"name": _clean(found.name), **counts})
    started = _started(found)
    if started:
        suite.set("timestamp", started)
    for cell in found.cells:
        _case(suite, found, cell)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _started(found: Matrix) -> str | None:
    started = read_object(found.folder / "test.json", []).get("started") if found.single else None
    return (
        started[:19]
        if isinstance(started, str) and re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", started)
        else None
    )


def _case(suite: ET.Element, found: Matrix, cell: Cell) -> None:
    names = {"classname": f"{found.name}.{cell.server}".replace(" ", "_"), "name": cell.title}
    case = ET.SubElement(suite, "testcase", {key: _clean(value) for key, value in names.items()})
    case.set("time", f"{cell.time_s:.3f}")
    tag = {"failed": "failure", "error": "error", "inconclusive": "skipped"}.get(cell.state)
    lines = [
        cell.news,
        f"to repeat: {cell.command}" if cell.command else "",
        f"issue: {cell.link}" if cell.link else "",
    ]
    where = found.link(cell)
    lines.append(f"run: {where}" if where and where != "." else "")
    story = _clean("\n".join(line for line in lines if line))
    if tag is None:
        if cell.command:
            ET.SubElement(case, "system-out").text = story
        return
    element = ET.SubElement(case, tag, {"message": _clean(cell.news)})
    if tag == "skipped":
        ET.SubElement(case, "system-out").text = story
        return
    element.set("type", "anomaly" if tag == "failure" else "infrastructure")
    element.text = story


def _clean(content: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", content[:_TEXT_MAX])
