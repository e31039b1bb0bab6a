"""All findings of `quorate doctor`: clusters and faults, the native core, and what builds servers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from quorate.harness.cluster import Finding, probe
from quorate.harness.core import registry
from quorate.harness.core.fault import make
from quorate.harness.core.outcome import Broken
from quorate.harness.history.native import NativeMissingError
from quorate.harness.history.native import check as _native_check

# Any of these makes a real cluster possible.
_WAYS: Final = ("network namespaces as root", "local clusters without root", "Docker engine")
_TOOLS: Final = (
    ("go", "building servers and Porcupine", "install Go (https://go.dev/dl or the package golang)"),
    ("mvn", "fetching ZooKeeper's releases", "apt-get install maven"),
    ("java", "running ZooKeeper on this host", "apt-get install default-jre-headless"),
    ("gcc", "building the clock helper in a checkout", "apt-get install gcc libc6-dev"),
    ("apt-get", "servers from Debian's packages", "none on this system: Go, Maven and wheels remain"),
)


def examine() -> list[Finding]:
    """Probe everything; takes a few seconds and never raises."""
    found = probe()
    return [*found, *_faults(found), _native(), *(_tool(*row) for row in _TOOLS), *_servers()]


def examine_inventory(inventory: Path) -> tuple[list[Finding], bool]:
    """Probe the hosts of an inventory; also whether all can serve. Raises `Broken` for a file that is none."""
    from quorate.harness.cluster.ssh.doctor import examine_hosts  # noqa: PLC0415 - loads paramiko
    from quorate.harness.cluster.ssh.hosts import read_inventory  # noqa: PLC0415

    return examine_hosts(read_inventory(inventory))


def able(findings: Sequence[Finding]) -> bool:
    """Whether some way of running a real cluster works here, and histories can be checked."""
    by_name = {finding.name: finding.ok for finding in findings}
    return by_name["native core"] and any(by_name.get(way, False) for way in _WAYS)


def _faults(found: Sequence[Finding]) -> list[Finding]:
    """Say of each fault whether a local cluster here can have it, from what was found by its own probes."""
    known = {one.name: one for one in found}
    rows = []
    for name in registry.names("faults"):
        try:
            tried = [trial() for trial in make(name, {}).probes()]
        except Broken as error:  # somebody else's package
            rows.append(Finding(f"fault {name}", ok=False, reason=error.text))
            continue
        lacking = [known.get(one.name, one) for one in tried if not one.ok]
        reason = "; ".join(f"{one.name}: {one.reason}" for one in lacking)
        mend = "; ".join(dict.fromkeys(one.mend for one in lacking if one.mend))
        rows.append(Finding(f"fault {name}", ok=not lacking, reason=reason, mend=mend))
    return rows


def _native() -> Finding:
    from quorate.harness.history import Event, History  # noqa: PLC0415 - needs the native core itself

    mend = "run `maturin develop --release` in a checkout, or `pip install .`"
    try:
        history = History.of([Event(0, 0, 0, "invoke", "read"), Event(1, 1, 0, "ok", "read")])
        answer = _native_check(history, {"engine": "linear:auto", "model": "register"})
    except (NativeMissingError, OSError, ValueError) as error:
        return Finding("native core", ok=False, reason=str(error), mend=mend)
    right = answer.get("verdict") == "valid"
    return Finding("native core", ok=right, reason="" if right else f"it answers {answer}", mend=mend)


def _tool(command: str, purpose: str, mend: str) -> Finding:
    found = shutil.which(command)
    return Finding(f"{command} ({purpose})", ok=found is not None, reason=found or "not found", mend=mend)


def _servers() -> list[Finding]:
    from quorate.harness.systems.releases import SYSTEMS, list_releases  # noqa: PLC0415 - reads the cache

    findings = []
    for system in SYSTEMS:
        try:
            rows = list_releases(system, ask=False)
        except Broken as error:
            findings.append(Finding(f"servers of {system}", ok=False, reason=error.text))
            continue
        here = [row.release for row in rows if row.cached]
        can = [row.release for row in rows if not row.note.startswith("not here")]
        reason = f"cached: {', '.join(here) or 'none'}; available: {', '.join(can) or 'none'}"
        findings.append(
            Finding(f"servers of {system}", ok=bool(can), reason=reason, mend="--set binary=PATH or --image")
        )
    return findings
