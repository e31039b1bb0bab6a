"""Server log lines on the run's own clock: found, dated, and thinned to those that a reader wants to see."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core import safely

# Logs of long runs are large; a report needs the lines that matter, and links to the files for the rest.
_FILE_BYTES_MAX: Final = 64 << 20
_FILES_MAX: Final = 200
_LINE_LENGTH_MAX: Final = 400
LINES_MAX: Final = 3000

_MOMENT: Final = re.compile(
    rb"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)[.,]?(\d{1,9})?\s?(Z|[+-]\d\d:?\d\d)?",
)
_RELATIVE: Final = re.compile(rb"(\d{1,7}\.\d{1,9})\s")
_HEAD: Final = 120
_WORST: Final = re.compile(
    rb'"level":\s?"(?:error|fatal|panic|dpanic)"|\b(?:ERROR|FATAL|PANIC|SEVERE)\b|\[ERR'
)
_BAD: Final = re.compile(rb'"level":\s?"warn|\bWARN|\[WARN')
_TELLING: Final = re.compile(
    r"\b(?:elect|leader|became|quorum|snapshot|shutting down|session expired)", re.IGNORECASE
)
_SUFFIXES: Final = (".log", ".out", ".err", ".txt")


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line of a server's log: `time_s` since the run's start; `level` 0 plain, 1 notable, 2 warning, 3 error."""

    time_s: float
    node: str
    level: int
    text: str


class Lines(msgspec.Struct, frozen=True):
    """The lines kept, in order of time; how many there were; and how many carried no time."""

    kept: Sequence[Line]
    total: int
    undated: int

    def around(
        self, time_s: float, before_s: float = 1.0, after_s: float = 1.0, most: int = 12
    ) -> list[Line]:
        """Return the lines nearest to a moment, worst first when there are too many, in order of time."""
        near = [line for line in self.kept if time_s - before_s <= line.time_s <= time_s + after_s]
        near.sort(key=lambda line: (-line.level, abs(line.time_s - time_s)))
        return sorted(near[:most], key=lambda line: line.time_s)


def started_at(started: Any) -> datetime | None:
    """Read the run's start: an ISO date, or seconds or nanoseconds since 1970."""
    try:
        if isinstance(started, (int, float)):
            nanoseconds_from = 1e14
            return datetime.fromtimestamp(started / 1e9 if started > nanoseconds_from else started, UTC)
        if isinstance(started, str):
            moment = datetime.fromisoformat(started)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def read_logs(folder: Path, started: Any, problems: list[str], most: int = LINES_MAX) -> Lines:
    """Read `nodes/<node>/…`; lines without a date take the one of the line before."""
    start = started_at(started)
    root = folder / "nodes"
    if not root.is_dir():
        return Lines((), 0, 0)
    if start is None:
        problems.append(
            "test.json does not say when the run started: server logs cannot be put on its time axis"
        )
        return Lines((), 0, 0)
    found: list[Line] = []
    undated = 0
    for path in _files(root, problems):
        node = path.relative_to(root).parts[0]
        undated += _read_file(path, node, start, found, problems)
    found.sort(key=lambda line: line.time_s)
    return Lines(_thin(found, most), len(found), undated)


def _files(root: Path, problems: list[str]) -> list[Path]:
    paths = []
    for path in sorted(root.glob("*/**/*")):
        if path.suffix not in _SUFFIXES or path.is_symlink() or not path.is_file():
            continue
        paths.append(path)
        if len(paths) >= _FILES_MAX:
            problems.append(f"only the first {_FILES_MAX} files under nodes/ were read for log lines")
            break
    return paths


def _read_file(path: Path, node: str, start: datetime, found: list[Line], problems: list[str]) -> int:
    """Append the dated lines of a file; return the number of those before the first date."""
    try:
        size = path.stat().st_size
        with safely.opened(path) as file:
            if size > _FILE_BYTES_MAX:
                problems.append(
                    f"{path.name} of {node} is large: only its last {_FILE_BYTES_MAX >> 20} MiB were read"
                )
                file.seek(size - _FILE_BYTES_MAX)
            content = file.read(_FILE_BYTES_MAX)
    except OSError as error:
        problems.append(f"{path.name} of {node} cannot be read: {error}")
        return 0
    begin = start.timestamp()
    last: float | None = None
    undated = 0
    days: dict[bytes, float] = {}
    for raw in content.split(b"\n"):
        if not raw.strip():
            continue
        moment = date_of(raw, days, begin)
        last = moment - begin if moment is not None else last
        if last is None:
            undated += 1
            continue
        message, rest = _words(raw)
        level = 3 if _WORST.search(raw) else 2 if _BAD.search(raw) else 1 if _TELLING.search(message) else 0
        found.append(Line(round(last, 4), node, level, f"{message} {rest}".rstrip()[:_LINE_LENGTH_MAX]))
    return undated


def _words(raw: bytes) -> tuple[str, str]:
    """Return a line's message and the rest: of a JSON line (etcd) its fields, without the date."""
    if raw.startswith(b"{"):
        with contextlib.suppress(ValueError, RecursionError):
            fields = json.loads(raw)
            level, message = fields.pop("level", ""), fields.pop("msg", fields.pop("message", ""))
            for known in ("ts", "caller", "logger", "time"):
                fields.pop(known, None)
            return f"{level}: {message}", " ".join(f"{name}={value}" for name, value in fields.items())
    raw = _RELATIVE.sub(b"", raw[: _LINE_LENGTH_MAX + 20], count=1)
    return raw[:_LINE_LENGTH_MAX].decode("utf-8", "replace").rstrip(), ""


def date_of(raw: bytes, days: dict[bytes, float], begin: float) -> float | None:
    """Return the date at the head of a line as seconds since 1970; servers log in UTC unless they say otherwise.

    A line that starts with seconds alone counts from the run's start: so does the simulated system.
    """
    match = _MOMENT.search(raw, 0, _HEAD)
    if match is None:
        relative = _RELATIVE.match(raw)
        return begin + float(relative.group(1)) if relative else None
    day, clock, fraction, zone = match.groups()
    head = day + clock[:2] + (zone or b"")
    if head not in days:
        text = f"{day.decode()}T{clock[:2].decode()}:00:00{(zone or b'Z').decode()}"
        try:
            days[head] = datetime.fromisoformat(text).timestamp()
        except ValueError:
            return None
    return (
        days[head] + int(clock[3:5]) * 60 + int(clock[6:8]) + (float(b"0." + fraction) if fraction else 0.0)
    )


def _thin(lines: Sequence[Line], most: int) -> list[Line]:
    """Keep the worst lines; of equally bad ones keep an even share over the run."""
    if len(lines) <= most:
        return list(lines)
    kept: list[int] = []
    for level in (3, 2, 1, 0):
        mine = [position for position, line in enumerate(lines) if line.level == level]
        room = most - len(kept)
        if len(mine) > room:
            mine = [mine[index * len(mine) // room] for index in range(room)]
        kept += mine
    return [lines[position] for position in sorted(kept)]


def files(folder: Path, most: int = 200) -> list[Mapping[str, Any]]:
    """List a run's files for links: relative paths and sizes in bytes, the run's own first."""
    rows: list[Mapping[str, Any]] = []
    for path in sorted(folder.rglob("*"), key=lambda path: (len(path.relative_to(folder).parts) > 1, path)):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            rows.append({"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size})
            if len(rows) >= most:
                break
    return rows
