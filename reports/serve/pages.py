"""The browser's own pages: they work without a script, all state is in the address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from quorate.harness.core.store import HISTORY, RESULTS, TEST
from quorate.reports.html import page
from quorate.reports.serve.index import Entry, Index

PAGE: Final = 100
_LISTED_MAX: Final = 2000
_TONES: Final = {"valid": "valid", "invalid": "invalid"}
_SIGNS: Final = {"valid": "✓", "invalid": "✗"}
_COLUMNS: Final = ("verdict", "system", "workload", "faults")


def href(path: str) -> str:
    """Return the address of something in the store."""
    return "/store/" + quote(path)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return any((folder / name).exists() for name in (TEST, RESULTS, HISTORY))


def runs(index: Index, query: Mapping[str, str]) -> str:
    """Return the list of runs: filtered by column, searched, a page at a time."""
    everything = index.runs()
    found = chosen(everything, query)
    pages = max(1, -(-len(found) // PAGE))
    number = min(max(_whole(query.get("page", "1")), 1), pages)
    shown = found[(number - 1) * PAGE : number * PAGE]
    kept = {key: value for key, value in query.items() if value and key in (*_COLUMNS, "q")}
    counts = Counter(entry.verdict for entry in found)
    context: dict[str, Any] = {
        "assets": {**page.assets(()), "policy": _policy()},
        "store": index.store,
        "rows": [{"entry": entry, "href": href(entry.path) + "/", **_look(entry.verdict)} for entry in shown],
        "total": len(everything),
        "found": len(found),
        "first": (number - 1) * PAGE + 1 if found else 0,
        "last": (number - 1) * PAGE + len(shown),
        "counts": counts.most_common(),
        "query": {key: query.get(key, "") for key in (*_COLUMNS, "q")},
        "choices": {name: _choices(everything, name) for name in _COLUMNS},
        "back": "?" + urlencode({**kept, "page": number - 1}) if number > 1 else "",
        "next": "?" + urlencode({**kept, "page": number + 1}) if number < pages else "",
        "campaigns": len(index.campaigns()),
    }
    return page.environment().get_template("runs.html.j2").render(context)


def _policy() -> str:
    # The list has a form, which asks this server itself.
    return str(page.assets(())["policy"]).replace("form-action 'none'", "form-action 'self'")


def chosen(entries: Sequence[Entry], query: Mapping[str, str]) -> Sequence[Entry]:
    """Return the runs that fit: each column exactly, and every word of the search somewhere."""
    words = query.get("q", "").lower().split()
    wanted = [(name, query[name]) for name in _COLUMNS if query.get(name)]
    if not words and not wanted:
        return entries
    return [
        entry
        for entry in entries
        if all(getattr(entry, name) == value for name, value in wanted)
        and all(word in entry.search for word in words)
    ]


def _choices(entries: Sequence[Entry], name: str) -> list[str]:
    most = 300
    return [value for value, _ in Counter(getattr(entry, name) for entry in entries).most_common(most)]


def _look(verdict: str) -> dict[str, str]:
    return {"tone": _TONES.get(verdict, "unknown"), "sign": _SIGNS.get(verdict, "?")}


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 1  # noqa: PLR2004


def campaigns(index: Index) -> str:
    """Return the list of campaigns."""
    rows = [{"entry": entry, "href": href(entry.path) + "/"} for entry in index.campaigns()]
    context = {"assets": page.assets(()), "store": index.store, "rows": rows}
    return page.environment().get_template("campaigns.html.j2").render(context)


def listing(store: Path, folder: Path, path: str) -> str:
    """Return what is in a folder of the store."""
    rows = []
    for entry in sorted(folder.iterdir(), key=lambda entry: (not entry.is_dir(), entry.name))[:_LISTED_MAX]:
        if not entry.name.startswith(".") and entry.resolve().is_relative_to(store):
            is_folder = entry.is_dir()
            size = None if is_folder else entry.stat().st_size
            rows.append({"name": entry.name + ("/" if is_folder else ""), "bytes": size})
    context = {"assets": page.assets(()), "path": path, "rows": rows}
    return page.environment().get_template("listing.html.j2").render(context)
