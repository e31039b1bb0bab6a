"""What `quorate list releases` says: what is known, what is here, and what the sources say there is.

The last answer of each source is kept in the cache, so that the list is whole without a network.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.cluster.local.rootless import outside
from quorate.harness.systems.releases import cache
from quorate.harness.systems.releases.catalogue import Catalogue
from quorate.harness.systems.releases.way import Publishes, Way, numbers

_LINE: Final = 2  # major, minor
_PATIENCE_S: Final = 15.0


class ReleaseRow(msgspec.Struct, frozen=True):
    """One release that can be tested: the way it comes, whether it is here already, and a word on it."""

    release: str
    way: str
    cached: bool
    note: str = ""


class Told(msgspec.Struct, frozen=True):
    """What a source said there is, and when (seconds since the epoch); `fresh` if just now."""

    releases: tuple[str, ...] = ()
    at: float = 0.0
    fresh: bool = False


def rows(system: str, catalogue: Catalogue, default: str | None, *, ask: bool = True) -> list[ReleaseRow]:
    """Every release that is known, cached, or the newest of its line at a source; newest first.

    Without `ask` the sources count with what they said last.
    """
    told = _ask(system, catalogue) if ask else _last(system)
    published = {release for answer in told.values() for release in answer.releases}
    wanted = {release for way in catalogue.ways for release in way.releases()}
    wanted |= set(cache.releases(system)) | _newest_of_lines(published)
    newest = max((r for r in wanted if not {"-", "+"} & set(r)), key=numbers, default=None)
    stale = [answer.at for answer in told.values() if answer.releases and not answer.fresh]
    found = []
    for release in wanted:
        note = [catalogue.notes[release]] if release in catalogue.notes else []
        if release == default:
            note.append("the default here")
        if release == newest:
            asked = min(stale) if stale and not any(answer.fresh for answer in told.values()) else None
            when = f" as of {datetime.fromtimestamp(asked, UTC):%Y-%m-%d}, no source answers" if asked else ""
            within = "" if all(answer.fresh for answer in told.values()) and told else " within reach"
            note.append(f"the newest{when or within}")
        found.append(_row(system, release, catalogue, note))
    return sorted(
        found, key=lambda row: (numbers(row.release), "-" not in row.release, row.release), reverse=True
    )


def _row(system: str, release: str, catalogue: Catalogue, note: list[str]) -> ReleaseRow:
    cached = cache.is_cached(system, release)
    ways = [way for way in catalogue.ways if way.takes(release)]
    able = [way for way in ways if way.unable() is None]
    if not able and not cached and ways:
        note = [f"not here: {ways[0].unable()}", *note]
    way = (able or ways)[0].name if ways else "cache"
    return ReleaseRow(release, way, cached, "; ".join(note))


def _ask(system: str, catalogue: Catalogue) -> Mapping[str, Told]:
    """Ask all sources at once, in the host's network; of those that are silent, what they said last."""
    last = _last(system)
    sources: dict[str, list[Publishes]] = {}
    for way in catalogue.ways:
        if isinstance(way, Publishes):
            sources.setdefault(way.name, []).append(way)
    at = datetime.now(UTC).timestamp()
    now = {name: Told(releases, at) for name, releases in outside(lambda: _answers(sources)).items()}
    kept = last | {name: answer for name, answer in now.items() if answer.releases}
    if any(answer.releases for answer in now.values()):
        _keep(_path(system), kept)
    return {
        name: msgspec.structs.replace(kept.get(name, answer), fresh=bool(answer.releases))
        for name, answer in now.items()
    }


def _path(system: str) -> Path:
    return cache.root() / "published" / f"{system}.json"


def _last(system: str) -> dict[str, Told]:
    """What each source said when it was asked last."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(_path(system).read_bytes(), type=dict[str, Told])
    return {}


def _answers(sources: Mapping[str, list[Publishes]]) -> dict[str, tuple[str, ...]]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        asked = {
            name: [pool.submit(lambda way=way: tuple(way.published())) for way in ways]  # type: ignore[misc]
            for name, ways in sources.items()
        }
        return {
            name: tuple(release for one in answers for release in one.result(timeout=_PATIENCE_S))
            for name, answers in asked.items()
        }


def _keep(path: Path, told: Mapping[str, Told]) -> None:
    """Write it whole or not at all; a cache that cannot be written does not matter."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(msgspec.json.format(msgspec.json.encode(told)))
        part.rename(path)


def _newest_of_lines(published: set[str]) -> set[str]:
    """The newest of each minor line, and the newest pre-release if it is newer than all of them."""
    newest: dict[tuple[int, ...], str] = {}
    plain = [release for release in published if not {"-", "+"} & set(release)]
    for release in plain:
        line = numbers(release)[:_LINE]
        if line not in newest or numbers(release) > numbers(newest[line]):
            newest[line] = release
    last = max(plain, key=numbers, default="0")
    early = [r for r in published if "-" in r and "+" not in r and numbers(r) > numbers(last)]
    return {*newest.values(), *([max(early, key=lambda r: (numbers(r), r))] if early else [])}


def way_names(ways: list[Way]) -> str:
    """Ways with the releases they are known for, for a sentence."""
    return "; ".join(f"{way.name} ({', '.join(way.releases()) or 'any release'})" for way in ways)
