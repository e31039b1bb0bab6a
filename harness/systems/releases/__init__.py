"""Where servers come from: a release is found in the cache, built, fetched or unpacked, once.

`resolve(system, release)` gives a `Server`, and so does `await resolve_async(…)`, which can be cancelled;
`list_releases(system)` says what there is and how it would be had.
"""

from __future__ import annotations

from quorate.harness.systems.releases.catalogue import SYSTEMS
from quorate.harness.systems.releases.listing import ReleaseRow
from quorate.harness.systems.releases.resolve import (
    list_releases,
    off_loop,
    resolve,
    resolve_async,
    understood,
    unknown_release,
    unobtainable,
    unpublished,
    usual,
)
from quorate.harness.systems.releases.server import Server

__all__ = [
    "SYSTEMS",
    "ReleaseRow",
    "Server",
    "list_releases",
    "off_loop",
    "resolve",
    "resolve_async",
    "understood",
    "unknown_release",
    "unobtainable",
    "unpublished",
    "usual",
]
