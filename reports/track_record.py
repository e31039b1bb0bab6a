"""The track record of a campaign: which known bugs were found again on which releases, and how often.

Runs belong to a bug by the link of their cell; runs of other releases that were asked for by the same command belong
to it too, for a bug that is found everywhere proves nothing.
"""

from __future__ import annotations

import importlib.metadata
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core import store
from quorate.reports import rates
from quorate.reports.matrix import CAMPAIGN

_APART: Final = ("--seed", "--store", "--name")  # options that do not make it another command
_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T\d{6}Z")
_ISSUE: Final = re.compile(r"github\.com/[\w.-]+/([\w.-]+)/(?:issues|pull)/(\d+)")


class Count(msgspec.Struct):
    """Runs of one release: in how many of those that said something the bug came."""

    invalid: int = 0
    valid: int = 0
    unknown: int = 0

    def words(self) -> str:
        """Write it with its exact interval: `2 of 3 (9 to 99 %)`."""
        tries = self.invalid + self.valid
        low, high = rates.exact(self.invalid, tries)
        text = f"{self.invalid} of {tries} ({low * 100:.0f} to {high * 100:.0f} %)"
        return text + (f", {self.unknown} inconclusive" if self.unknown else "")


def text(folder: Path) -> str:
    """Return the track record of a campaign's folder as Markdown; raise `Broken` where it holds no campaign."""
    content = store.read_json(folder, CAMPAIGN)
    bugs = _bugs(content["cells"])
    lines = [f"# Track record: {content['name']}", "", _when(folder, content), ""]
    if not bugs:
        return "\n".join([*lines, "No cell of it names a known bug (`link`)."]) + "\n"
    lines += ["| bug | found again on | not seen on |", "| --- | --- | --- |"]
    lines += [
        f"| {_named(link)} | {_list(counts, seen=True)} | {_list(counts, seen=False)} |"
        for link, counts in bugs
    ]
    lines += ["", "## Commands", ""]
    for link, cells in _linked(content["cells"]).items():
        found = next((cell for cell in cells if cell["verdict"] == "invalid"), cells[0])
        lines += [f"{_named(link)}:", "", f"    {found['command']}", ""]
        lines += [f"> {_plain(found['sentence'])}", ""] if found["verdict"] == "invalid" else []
    return "\n".join(lines).rstrip() + "\n"


def write(folder: Path, target: Path) -> Path:
    """Write it to a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text(folder), encoding="utf-8")
    return target


def _when(folder: Path, content: Mapping[str, Any]) -> str:
    found = _DATE.search(folder.resolve().name)
    date = f"{found[1]}-{found[2]}-{found[3]}" if found else "an unknown date"
    runs = sum(cell["status"] == "done" for cell in content["cells"])
    return (
        f"Made from a campaign of {runs} runs on {date} with quorate {importlib.metadata.version('quorate')}, seed "
        f"{content['seed']}. `2 of 3 (9 to 99 %)`: in two of three runs that said something, and the interval that "
        "holds the true rate with 95 % confidence (Clopper-Pearson)."
    )


def _linked(cells: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the cells that name a bug and were made, by its link."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for cell in cells:
        if cell.get("link") and cell["status"] != "skipped":
            found[cell["link"]].append(cell)
    return found


def _bugs(cells: list[Mapping[str, Any]]) -> list[tuple[str, dict[str, Count]]]:
    """Return for each bug its counts by system and release."""
    found = []
    for link, own in _linked(cells).items():
        asked = {_asked(cell["command"]) for cell in own}
        counts: dict[str, Count] = defaultdict(Count)
        for cell in cells:
            if cell["status"] == "done" and (cell.get("link") == link or _asked(cell["command"]) in asked):
                system, release = str(cell["system"]), str(cell["release"])
                name = release if release.startswith(system) else f"{system} {release}".strip()
                count = counts[name]
                match cell["verdict"]:
                    case "invalid":
                        count.invalid += 1
                    case "valid":
                        count.valid += 1
                    case _:
                        count.unknown += 1
        found.append((link, dict(counts)))
    return found


def _asked(command: str) -> tuple[str, ...]:
    """Return what a command asks for, whatever the system's release, the seed, and where it is kept."""
    words = shlex.split(command)
    kept, skip = [], False
    for place, word in enumerate(words):
        if skip or word in _APART:
            skip = word in _APART
            continue
        kept.append(word.partition("@")[0] if place == 2 else word)  # noqa: PLR2004 - quorate test SYSTEM
    return tuple(kept)


def _list(counts: Mapping[str, Count], *, seen: bool) -> str:
    chosen = [(name, count) for name, count in counts.items() if bool(count.invalid) is seen]
    said = [(name, count) for name, count in chosen if seen or count.valid or count.unknown]
    return "; ".join(f"{name}: {count.words()}" for name, count in sorted(said, key=_order)) or "-"


def _order(item: tuple[str, Count]) -> tuple[Any, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in re.split(r"[ .]", item[0])), item[0]


def _named(link: str) -> str:
    issue = _ISSUE.search(link)
    name = f"{issue[1]} #{issue[2]}" if issue else link.rstrip("/").rpartition("/")[2]
    return f"[{name}]({link})"


def _plain(sentence: str) -> str:
    return " ".join(sentence.split()).replace("|", "/")
