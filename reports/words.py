"""Words and numbers as people read them: durations, operations, verdicts."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from quorate.harness.core.verdict import Verdict

VERDICTS: Final = {Verdict.VALID: "Valid", Verdict.INVALID: "Invalid", Verdict.UNKNOWN: "Unknown"}
SIGNS: Final = {Verdict.VALID: "✓", Verdict.INVALID: "✗", Verdict.UNKNOWN: "?"}
EDGES: Final = {
    "ww": "overwrote what the other wrote",
    "wr": "read what the other wrote",
    "rw": "read a state from before the other's write",
    "rt": "ended before the other began",
    "realtime": "ended before the other began",
    "process": "came before it in the same process",
}
# What the anomalies of transactions are called in the literature, for those who do not know it by heart.
MEANINGS: Final = {
    "G0": "dirty writes",
    "G1a": "read of an aborted write",
    "G1b": "read of an intermediate write",
    "G1c": "circular flow of information",
    "G-single": "read skew",
    "G-single-item": "read skew",
    "G2": "write skew over predicates",
    "G2-item": "write skew",
}
# A list of more plain values than these is shown by its ends.
_LIST_LONG: Final = 12
_LIST: Final = re.compile(r"\[[^\[\]{}]{24,}\]")


def brief(text: str) -> str:
    """Shorten long lists of plain values within a text to their ends: `[1,2,…,140,141 (141 in all)]`."""
    return _LIST.sub(_ends, text)


def _ends(match: re.Match[str]) -> str:
    items = match.group()[1:-1].split(",")
    if len(items) <= _LIST_LONG:
        return match.group()
    return f"[{','.join(items[:2])},…,{','.join(items[-3:])} ({len(items)} in all)]"


def listed(names: Sequence[str]) -> str:
    """Join names as one says them: `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def plain(system: str) -> str:
    """A system without how it was built, and without saying it twice: `etcd@3.7.3`, `simulated with stale-read`."""
    name, _, release = system.partition(" (")[0].partition("@")
    return release if release.startswith(name) else f"{name}@{release}" if release else name


def minute(date: str) -> str:
    """An ISO date to the minute, as people read it; anything else as it is."""
    return f"{date[:10]} {date[11:16]}" if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", date) else date


def seconds(value: float) -> str:
    """Write a moment of the run: three decimals, so that operations a millisecond apart stay apart."""
    return f"{value:.3f} s"


def duration(value: float | None) -> str:
    """Write a length of time in the unit that fits; a dash for nothing known."""
    if value is None:
        return "–"  # noqa: RUF001 - a typographic dash for a table cell
    if value == 0:
        return "0 s"
    size = abs(value)
    if size < 1e-3:  # noqa: PLR2004 - a millisecond
        return f"{value * 1e6:.0f} µs"
    if size < 1:
        return f"{value * 1e3:.3g} ms"
    minute, year = 60, 366 * 86_400
    if size > year:
        return f"{value:.3g} s"
    return f"{value:.2f} s" if size < minute else f"{int(value // minute)} min {value % minute:.0f} s"


def share(value: float | None) -> str:
    """Write a share as a percentage that never rounds 99.96 % up to 100 %."""
    if value is None:
        return "–"  # noqa: RUF001 - a typographic dash for a table cell
    percent = value * 100
    if percent in (0.0, 100.0):
        return f"{percent:.0f} %"
    return f"{min(99.99, max(0.01, percent)):.4g} %"


def count(value: float | None) -> str:
    """Write a count with thin groups: 12,345."""
    if value is None:
        return "–"  # noqa: RUF001 - a typographic dash for a table cell
    return f"{value:,.0f}"


def cut(text: str, length: int) -> str:
    """Shorten a text to `length` characters, saying so with an ellipsis."""
    return text if len(text) <= length else text[: max(0, length - 1)] + "…"


def plural(number: int, singular: str, several: str | None = None) -> str:
    """Return `1 key`, `2 keys`, `2 anomalies`."""
    return f"{number:,} {singular if number == 1 else several or singular + 's'}"


def operation(f: str, key: str, asked: str, got: str, outcome: str, length: int = 60) -> str:
    """Write an operation as one reads it: `write x 5`, `read x → 3`, `cas x [1,2]` (values are JSON texts)."""
    if f == "txn":
        return transaction(got if outcome == "ok" and got not in ("", "null") else asked, length * 3)
    words = f if key in ("", "null") else f"{f} {cut(key, 24)}"
    asked, got = ("" if asked == "null" else brief(asked)), brief(got)
    asked = cut(asked, length)
    if asked:
        words += f" {asked}"
    if outcome == "ok" and got != "" and got not in (asked, ""):
        if got == "null" and asked:
            return words
        words += f" → {cut(got, length)}"
    elif outcome == "fail" and got not in ("", "null", asked):
        words += f" (saw {cut(got, length)})"
    return words


def error_words(text: str) -> str:
    """Write an error, stored as JSON `[code, text]`, as `code: text`; "" for null."""
    try:
        error = json.loads(text)
    except ValueError:
        return text
    if error is None:
        return ""
    return ": ".join(str(part) for part in error if part != "") if isinstance(error, list) else str(error)


def transaction(text: str, length: int = 180) -> str:
    """Write a transaction's JSON as one reads it: `append x 5 · r x → [1,5]`; other JSON stays as it is."""
    try:
        steps = json.loads(text)
        return cut(" · ".join(_step(*step) for step in steps), length) or "txn"
    except (ValueError, TypeError, RecursionError):
        return cut(f"txn {text}", length)


def _step(f: Any, key: Any, value: Any) -> str:
    name = key if isinstance(key, str) else json.dumps(key)
    if value is None:
        return f"{f} {name}"
    return f"{f} {name} → {_short(value)}" if f == "r" else f"{f} {name} {_short(value)}"


def _short(value: Any) -> str:
    """Lists grow at their end: the last elements distinguish them."""
    last = 4
    if isinstance(value, list) and len(value) > last + 1:
        return "[…," + json.dumps(value[-last:], separators=(",", ":"), ensure_ascii=False)[1:]
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def summary(verdict: Verdict, guarantees: Any) -> str:
    """Say the verdict over all guarantees in plain words."""
    total = len(guarantees)
    broken = sum(1 for item in guarantees if item.verdict == Verdict.INVALID)
    unsure = sum(1 for item in guarantees if item.verdict == Verdict.UNKNOWN)
    if verdict == Verdict.INVALID and broken:
        names = [item.guarantee for item in guarantees if item.verdict == Verdict.INVALID]
        most = 3
        words = listed(names) if broken <= most else f"{broken} guarantees"
        return f"{words} {'was' if broken == 1 else 'were'} broken"
    if verdict == Verdict.VALID:
        return (
            "The guarantee held"
            if total == 1
            else f"All {total} guarantees held"
            if total
            else "Nothing was broken"
        )
    if unsure:
        return f"{unsure} of {plural(total, 'guarantee')} could not be decided"
    return "Inconclusive: this run proves nothing either way"
