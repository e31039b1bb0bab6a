"""From a release number to a server on this host.

See docs/decisions/releases.md.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from quorate.harness.cluster.local.rootless import outside
from quorate.harness.core.outcome import Broken
from quorate.harness.core.progress import report
from quorate.harness.core.registry import did_you_mean
from quorate.harness.systems.releases import cache, naming, tools
from quorate.harness.systems.releases.catalogue import SYSTEMS, TOOLS, Catalogue
from quorate.harness.systems.releases.listing import ReleaseRow, rows, way_names
from quorate.harness.systems.releases.server import Server
from quorate.harness.systems.releases.way import Progress, Publishes, Way, numbers

_LOCK_S: Final = 2700.0

T = TypeVar("T")


def resolve(system: str, release: str | None = None, *, progress: Progress | None = None) -> Server:
    """Return the server of a release, or of the newest that this machine can get; blocks while it is made.

    Each way is tried in order; the first that works fills the cache. Raises `Broken` naming every way and why it
    did not do; `progress` hears what is going on (by default the run that waits, else standard error). Works in the
    host's network: a rootless run has no network that leads out.
    """
    wanted = None if release is None else understood(system, release)
    return outside(lambda: _resolve(system, wanted, progress or report))


def understood(system: str, text: str) -> str:
    """Return the release meant by `3.5`, `latest` or `v3.5.16`; what cannot be understood is returned as it is.

    For the newest the sources are asked, where they answer; else it is the newest that is known or cached here.
    """
    if naming.line_of(text) is None:
        return naming.plain(text)
    catalogue = _catalogue(system)
    known = {release for way in catalogue.ways if way.unable() is None for release in way.releases()}
    known |= set(cache.releases(system))
    for way in catalogue.ways:
        if isinstance(way, Publishes) and way.unable() is None:
            known |= set(outside(way.published))
    return naming.newest(text, known)


def unpublished(system: str, release: str) -> str | None:
    """Return that the release does not exist, where all sources within reach say so; None where it may. Asks them."""
    catalogue = _catalogue(system)
    ways = [way for way in catalogue.ways if way.takes(release)]
    if cache.is_cached(system, release) or any(release in way.releases() for way in ways):
        return None
    answers = []
    for way in ways:
        if outside(way.unable) is None:
            if not isinstance(way, Publishes):
                return None
            answers.append(outside(lambda way=way: way.is_published(release)))  # type: ignore[misc]
    # Sources that are out of reach say nothing; where none is within reach, it is unknown.
    return _unknown(system, release, catalogue) if answers and set(answers) == {False} else None


def _resolve(system: str, release: str | None, say: Progress) -> Server:
    catalogue = _catalogue(system)
    if release is not None:
        return _one(system, release, catalogue, say)
    passed: list[str] = []
    for candidate in catalogue.defaults:
        try:
            server = _one(system, candidate, catalogue, say)
        except Broken as error:
            tools.check_given_up()
            if error.code == "no-cache":
                raise  # it would be the same with every release
            passed.append(f"{candidate}: {error.text}")
            continue
        if passed:
            return msgspec.structs.replace(server, how=f"{server.how}; not {'; not '.join(passed)}")
        return server
    raise Broken("no-server", f"no release of {system} is available here: " + "; ".join(passed))


async def resolve_async(
    system: str, release: str | None = None, *, progress: Progress | None = None
) -> Server:
    """Resolve in a thread; when the task is cancelled (Ctrl-C), whatever builds or downloads is killed at once."""
    return await off_loop(lambda: resolve(system, release, progress=progress))


async def off_loop(work: Callable[[], T]) -> T:
    """Run in a thread what builds or downloads; when the task is cancelled, its programs are killed at once."""
    event = threading.Event()
    context = contextvars.copy_context()
    context.run(tools.given_up.set, event)
    loop = asyncio.get_running_loop()
    made = loop.run_in_executor(None, lambda: context.run(work))
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        event.set()
        await asyncio.wait({made})
        raise


def unknown_release(system: str, release: str) -> str | None:
    """Say that no way leads to this release, with the nearest and all known ones; None where one may. Offline."""
    catalogue = _catalogue(system)
    release = understood(system, release)
    if cache.is_cached(system, release) or any(way.takes(release) for way in catalogue.ways):
        return None
    return _unknown(system, release, catalogue)


def unobtainable(system: str, release: str | None = None) -> str | None:
    """Return why this machine cannot have the release (None: any default), with the other ways; None where it may.

    Looks for the tools of each way; fetches and builds nothing.
    """
    catalogue = _catalogue(system)
    wanted = catalogue.defaults if release is None else (release,)
    reasons: list[str] = []
    for one in wanted:
        if cache.is_cached(system, one):
            return None
        if why := cache.unwritable():
            return why
        ways = [way for way in catalogue.ways if way.takes(one)]
        refusals = [(way, why) for way in ways if (why := outside(way.unable)) is not None]
        if len(refusals) < len(ways):
            return None
        reasons += [f"{system}@{one} by {way.name}: {why}" for way, why in refusals]
    return f"{'; '.join(reasons)}. {_others(catalogue)}"


def list_releases(system: str, *, ask: bool = True) -> list[ReleaseRow]:
    """Every known release with its way, newest first, and what the sources have; the first default that works here.

    Without `ask` the sources count with what they said last.
    """
    catalogue = _catalogue(system)
    return rows(system, catalogue, _default(system, catalogue), ask=ask)


def usual(system: str) -> str | None:
    """Return the release that is taken where none is asked for: the first default that this machine can have."""
    return _default(system, _catalogue(system))


def _default(system: str, catalogue: Catalogue) -> str | None:
    for release in catalogue.defaults:
        if cache.is_cached(system, release):
            return release
        # From the last on, as the first is the one that asks over the network whether it can.
        if any(way.takes(release) and outside(way.unable) is None for way in reversed(catalogue.ways)):
            return release
    return None


def _one(system: str, release: str, catalogue: Catalogue, say: Progress) -> Server:
    if found := cache.find(system, release):
        return found
    ways = [way for way in catalogue.ways if way.takes(release)]
    if not ways:
        raise Broken("no-release", _unknown(system, release, catalogue))
    with cache.lock(system, release, _LOCK_S):
        # Another process may have made it while this one waited.
        if found := cache.find(system, release):
            return found
        reasons = []
        for way in ways:
            if why := way.unable():
                reasons.append(f"{way.name}: {why}")
                continue
            try:
                return _make(system, release, way, say)
            except Broken as error:
                tools.check_given_up()
                reasons.append(f"{way.name}: {error.text}")
                if error.code.startswith("bad-"):
                    say(f"{system}@{release} by {reasons[-1]}; it is not used")
    raise Broken("no-server", f"{system}@{release} - {'; '.join(reasons)}. {_others(catalogue)}")


def _make(system: str, release: str, way: Way, say: Progress) -> Server:
    return cache.add(system, release, lambda folder: way.obtain(release, folder, say))


def _others(catalogue: Catalogue) -> str:
    able = [way for way in catalogue.ways if outside(way.unable) is None]
    here = f"Other ways here: {way_names(able)}; " if able else "Other ways: "
    return f"{here}{catalogue.own} or an image that has it (--image NAME)"


def _unknown(system: str, release: str, catalogue: Catalogue) -> str:
    known = sorted({known for way in catalogue.ways for known in way.releases()}, key=numbers)
    hint = did_you_mean(release, known)
    return f"no way to get {system}@{release}{hint} (known: {', '.join(known)})"


def _catalogue(system: str) -> Catalogue:
    if system in TOOLS:
        return TOOLS[system]
    if system not in SYSTEMS:
        raise Broken("no-system", f"no releases are known of {system} (there are {', '.join(SYSTEMS)})")
    return SYSTEMS[system]
