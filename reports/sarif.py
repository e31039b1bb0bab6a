"""SARIF 2.1.0, as code scanning reads it: an alert for each cell that is not as expected.

SARIF knows source files alone, so an alert points at the campaign file that asked for the run (or at the run's own
`test.json`). Alerts of the same cell share a fingerprint whatever their seeds: a second night opens no second alert.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from quorate.harness.core.store import TEST
from quorate.reports import campaign, matrix, output
from quorate.reports.matrix import Cell, Matrix

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_RULES: Final = {
    "anomaly": "A guarantee was broken.",
    "not-found-again": "A known bug was not found again: the tester has gone blind, or the service has changed.",
    "infrastructure": "The harness or its infrastructure failed.",
    "inconclusive": "The run proves nothing either way.",
}
_LEVELS: Final = {
    "anomaly": "error",
    "not-found-again": "error",
    "infrastructure": "warning",
    "inconclusive": "note",
}


def write(folder: Path, target: Path | str, artifact: str | None = None) -> Path:
    """Write the log of a campaign's folder or a run's; `artifact` is the path of the campaign file in its repository.

    Raises `Broken` where the folder is neither, or the file cannot be written.
    """
    return output.write(Path(target), text(folder, artifact))


def text(folder: Path, artifact: str | None = None) -> str:
    """Return the log as text."""
    found = matrix.read(folder)
    driver = {
        "name": "quorate",
        "version": version("quorate"),
        "rules": [{"id": name, "shortDescription": {"text": words}} for name, words in _RULES.items()],
    }
    results = [_result(found, cell, artifact or TEST) for cell in found.cells if cell.state != "passed"]
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "automationDetails": {"id": f"quorate/{found.name}/"},
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(cell: Cell) -> str:
    if cell.state == "error":
        return "infrastructure"
    if cell.state == "inconclusive":
        return "inconclusive"
    return "not-found-again" if cell.verdict == "valid" else "anomaly"


def _result(found: Matrix, cell: Cell, artifact: str) -> dict[str, Any]:
    rule = _rule(cell)
    words = f"{cell.title}: {cell.news}" + (f" To repeat: {cell.command}" if cell.command else "")
    place = " ".join(campaign.place(cell))
    return {
        "ruleId": rule,
        "level": _LEVELS[rule],
        "message": {"text": words},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": quote(artifact)}, "region": {"startLine": 1}}}
        ],
        "partialFingerprints": {
            "quorateCell/v1": hashlib.sha256(f"{found.name} {place} {rule}".encode()).hexdigest()[:32]
        },
    }
