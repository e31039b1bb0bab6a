"""What a hunt leaves behind: hunt.json, hunt.md, and campaign.json, from which JUnit and the browser are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from quorate.harness.campaign.cell import Cell, record_of
from quorate.harness.core import store
from quorate.harness.core.exits import VERDICT_OF, Exit
from quorate.harness.core.test import Test
from quorate.harness.hunt.findings import Finding, Shown

JSON, MARKDOWN = "hunt.json", "hunt.md"
_LINE_MOST = 400


class Told(msgspec.Struct, frozen=True):
    """A hunt that has ended, as it is written down."""

    system: str
    release: str
    seed: int
    budget_s: float
    spent_s: float
    runs: int
    outcomes: dict[str, int]
    states: int
    findings: list[Finding]
    left_out: dict[str, str]
    interrupted: bool
    command: str

    @property
    def counting(self) -> list[Finding]:
        """Findings that were not waived."""
        return [one for one in self.findings if not one.ignored]

    @property
    def exit_code(self) -> int:
        """Return the exit code (docs/reference/formats.md).

        1 where something was found that is not waived, 130 interrupted, 3 where runs only broke, 2 where none came to
        a verdict, else 0.
        """
        if self.counting:
            return Exit.ANOMALY
        if self.interrupted:
            return Exit.INTERRUPTED
        if self.outcomes.get("valid") or self.outcomes.get("anomaly"):
            return Exit.VALID
        return Exit.BROKEN if self.outcomes.get("broken") else Exit.UNKNOWN


def outcomes(shown: Sequence[Shown]) -> dict[str, int]:
    """Return how many runs ended how."""
    return dict(Counter(one.outcome for one in shown))


def write(folder: Path, told: Told, base: Test, shown: Sequence[Shown]) -> None:
    """Write all three; renewed after every run, so that a hunt that is killed leaves what it has."""
    content: dict[str, Any] = msgspec.to_builtins(told)
    content |= {"exit_code": told.exit_code, "shown": [msgspec.to_builtins(one) for one in shown]}
    store.write_json(folder, JSON, content)
    (folder / MARKDOWN).write_text(markdown(told), encoding="utf-8")
    store.write_json(folder, "campaign.json", _campaign(told, base, shown))


def markdown(told: Told) -> str:
    """Return the hunt in words, for a page or a terminal."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(told.outcomes.items()))
    head = (
        f"{told.release or told.system}: {told.runs} runs in {told.spent_s:.0f} s ({counts or 'none'}), "
        f"{told.states} states reached, seed {told.seed}."
    )
    lines = [f"# Hunt on {told.system}", "", head, ""]
    if not told.findings:
        lines += ["Nothing was found. That says that no run showed an anomaly, not that there is none.", ""]
    for group in _by_first_run(told.findings):
        lines += _group(group)
    if told.left_out:
        lines += ["Faults left out:", "", *(f"- `{name}`: {why}" for name, why in told.left_out.items()), ""]
    return "\n".join(lines)


def _by_first_run(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return what one run was the first to show as one group, mostly one cause; the groups that count come first."""
    groups: dict[int, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.first_run, []).append(finding)
    return sorted(groups.values(), key=lambda group: all(one.ignored for one in group))


def _group(group: Sequence[Finding]) -> list[str]:
    first = group[0]
    more = f" and {len(group) - 1} more" if len(group) > 1 else ""
    ignored = " (ignored)" if all(one.ignored for one in group) else ""
    known = [one for one in first.together if one not in {other.signature for other in group}]
    lines = [
        f"## {first.signature}{more}{ignored}",
        "",
        f"First in run {first.first_run}, {first.first_s:.0f} s after the beginning:",
        "",
        *(_line(one) for one in group),
        "",
    ]
    if known:
        lines += [f"Known by then, and shown by that run too: {', '.join(known)}.", ""]
    return [*lines, f"    {first.command}", ""]


def _line(finding: Finding) -> str:
    runs = "1 run" if finding.runs == 1 else f"{finding.runs} runs"
    waived = " ".join(filter(None, (finding.ignored, finding.link)))
    ignored = f", ignored: {waived}" if finding.ignored else ""
    documented = f" {finding.documented}." if finding.documented else ""
    return f"- `{finding.signature}` ({runs}{ignored}): {finding.sentence[:_LINE_MOST]}{documented}"


def _campaign(told: Told, base: Test, shown: Sequence[Shown]) -> dict[str, Any]:
    """Return the runs as cells of a campaign; one whose anomalies are all waived is as expected."""
    waived = {one.signature for one in told.findings if one.ignored}
    records = []
    for one in shown:
        expect = "any" if one.signatures and set(one.signatures) <= waived else "valid"
        code = Exit.ANOMALY if one.signatures else one.exit_code
        cell = Cell(msgspec.structs.replace(base, workload=tuple(one.workload.split("+"))), expect=expect)
        record = record_of(
            cell,
            one.number - 1,
            one.seed,
            status="error" if one.outcome == "broken" else "done",
            verdict=VERDICT_OF.get(code, "error"),
            exit_code=code,
            sentence=one.said,
            command=one.command,
            run=one.folder,
            release=one.release,
            time_s=round(one.seconds, 2),
            attempts=1,
        )
        records.append(
            msgspec.structs.replace(record, cell=f"run-{one.number}", name=one.name, faults=one.faults)
        )
    return {
        "name": f"hunt {told.system}",
        "seed": told.seed,
        "time_s": told.spent_s,
        "planned": len(records),
        "cells": [msgspec.to_builtins(record) for record in records],
    }
