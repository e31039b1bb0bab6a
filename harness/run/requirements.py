"""What a run needs of this machine, tried before anything is built or started, by the probes of `quorate doctor`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from quorate.harness.cluster import doctor, running
from quorate.harness.cluster.factory import kind_of
from quorate.harness.core.fault import Fault
from quorate.harness.core.finding import Finding
from quorate.harness.core.outcome import Broken
from quorate.harness.core.platform import Platform, wanting
from quorate.harness.core.system import registered
from quorate.harness.core.test import Test, UsageError
from quorate.harness.run.parts import Parts, composed
from quorate.harness.systems.releases import SYSTEMS, understood, unknown_release, unpublished

_ENGINE_S: Final = 5
_UPGRADE: Final = "upgrade.release"

Probe = Callable[[], Finding]
CANNOT: Final = "this machine cannot do that run"


def require(test: Test, parts: Parts) -> None:
    """Raise `Broken` with everything that this machine lacks for the run and what to do about it.

    Raises `UsageError` for a release that does not exist. Takes a second or two and leaves nothing behind. Hosts over
    SSH are not asked: `quorate doctor --inventory` does.
    """
    if parts.system.virtual:
        return
    check_releases([test])
    if (compose := composed(test, parts.system, parts.nemesis)) is not None:
        from quorate.harness.cluster.compose.fitness import examine  # noqa: PLC0415 - loads the SDK

        examine(compose)
    lacking = [finding.in_words() for finding in _findings(test, parts) if not finding.ok]
    if lacking:
        raise Broken("not-here", f"{CANNOT}: {'; '.join(lacking)}")


def check_releases(tests: Iterable[Test]) -> None:
    """Raise `UsageError` for all releases that exist nowhere; the sources of those that are not known are asked."""
    asked = {(test.system_name, release) for test in tests for release in _releases(test)}
    wrong = [
        why
        for system, release in sorted(asked)
        if (why := unknown_release(system, release) or unpublished(system, release)) is not None
    ]
    if wrong:
        raise UsageError("; ".join(wrong))


def _releases(test: Test) -> Iterator[str]:
    """Return the releases that a test names and that are to be found."""
    if test.system_name not in SYSTEMS:
        return
    own_server = registered(test.system_name).own_server in test.settings
    own = test.image is not None or test.build is not None or own_server
    given = test.release if test.release is not None and not own else ""
    for text in (*given.split(","), test.settings.get(_UPGRADE, "")):
        if text.strip():
            yield understood(test.system_name, text.strip())


def _findings(test: Test, parts: Parts) -> Iterator[Finding]:
    kind = kind_of(test.cluster, test.image)
    faults = parts.nemesis.faults if parts.nemesis is not None else ()
    if kind == "running":
        for where in test.endpoints:
            why = running.unreachable(where)
            yield Finding(f"server at {where}", why is None, why or "", "give --endpoints that answer")
        return
    if kind == "docker":
        yield doctor.engine()
        yield from _image(test, parts)
    elif kind == "local":
        yield doctor.wires()
        if parts.system.image_kind == "jre":
            yield doctor.java()
    # Containers are entered by root alone; behind the engine's exec, faults work with what the nodes have.
    if kind == "local" or (kind == "docker" and os.geteuid() == 0):
        yield from (probe() for probe in _probes(faults))
    if kind == "compose":
        inside = [fault for fault in faults if fault.on_theirs != "outside"]
        yield from (probe() for probe in _probes(inside))
        return
    with wanting(_platform(kind)):
        if (why := parts.system.unobtainable()) is not None:
            yield Finding("server", ok=False, reason=why)


def _platform(kind: str) -> Platform | None:
    """Return the platform of the engine's containers; None: as this host."""
    if kind != "docker":
        return None
    from quorate.harness.cluster.docker import engine  # noqa: PLC0415 - loads the SDK

    try:
        return Platform(*engine.platform(engine.connect(timeout_s=_ENGINE_S)))
    except Broken:
        return None  # reported as a separate finding


def _image(test: Test, parts: Parts) -> Iterator[Finding]:
    if test.image is not None:
        yield doctor.image(test.image)
    else:
        yield doctor.node_image(parts.system.image_kind)


def _probes(faults: Iterable[Fault]) -> list[Probe]:
    """Return the probes of these faults, each once."""
    return list(dict.fromkeys(probe for fault in faults for probe in fault.probes()))
