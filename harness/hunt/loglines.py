"""What servers say in their logs, without what differs each time: which parts of a server a run has reached."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_BYTES_MAX: Final = 8 << 20
_LINES_MAX: Final = 40_000
_LONG: Final = 90
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")
_MESSAGE: Final = re.compile(r'"msg":"((?:[^"\\]|\\.)*)"')
# Date and level of text logs: Consul's, ZooKeeper's, and those of etcd before 3.4.
_HEAD: Final = re.compile(
    r"^.*?(?:\[(?:INFO|WARN|ERROR|DEBUG)\]| - (?:INFO|WARN|ERROR|DEBUG) | [IWECND] \| )\s*"
)
_VARYING: Final = re.compile(
    r'\b[\w-]+="[^"]*"|"[^"]*"|\'[^\']*\'|\b[0-9a-fA-F]*\d[0-9a-fA-F]*\b|0x[0-9a-fA-F]+|\d+|/\S+|\b\w+=\S+|\bn\d+\b'
)
_LETTERS: Final = re.compile(r"[A-Za-z][A-Za-z ,:;()\-]{9,}[A-Za-z]")


def template(line: str) -> str:
    """Return what a line says, with a # for whatever differs from time to time."""
    found = _MESSAGE.search(line)
    said = found[1] if found else _HEAD.sub("", line)
    return " ".join(_VARYING.sub("#", said).split())[:_LONG]


def constant(said: str) -> str:
    """Return the longest stretch of a template that stands so in the log itself; empty where it is short."""
    return max(_LETTERS.findall(said), key=len, default="")


def counted(folder: Path, since: str = "") -> Counter[str]:
    """Return how often each template was said by the servers of a run, from `since` on (ISO date and time)."""
    found: Counter[str] = Counter()
    for log in sorted((folder / "nodes").glob("*/*.log")):
        found.update(_templates(log, since[:19].replace("T", " ")))
    return found


def _templates(log: Path, since: str) -> Iterator[str]:
    try:
        with log.open("rb") as file:
            lines = file.read(_BYTES_MAX).decode(errors="replace").splitlines()
    except OSError:
        return
    for line in itertools.islice(lines, _LINES_MAX):
        date = _DATE.search(line[:120])
        if date is None or f"{date[1]} {date[2]}" < since:
            continue
        said = template(line)
        if said:
            yield said
