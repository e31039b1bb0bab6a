"""Did every server stay up? One that crashes by itself, or raises an alarm about its own data, breaks its promise.

Found in the process table while clients work, in the proofs of healings, and in the servers' logs. What a fault
explains does not count: a damaged disk, a failpoint that panics, a member that was removed. What failed before the load
is not looked at here: such a run has not begun.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core import registry
from quorate.harness.core.evidence import Crash
from quorate.harness.core.fault import registered
from quorate.harness.core.outcome import Broken
from quorate.harness.core.results import Death, FaultRow
from quorate.harness.core.verdict import Anomaly, Result, Verdict
from quorate.reports.logs import date_of, started_at

GUARANTEE: Final = "servers-stay-up"
_FILE_BYTES_MAX: Final = 64 << 20
_LINE_MAX: Final = 400
_EVIDENCE: Final = 8
_FOUND_MAX: Final = 20
_GRACE_S: Final = 10.0  # after its healing a server may still stumble over what a fault has done
_CRASH: Final = re.compile(
    rb"^panic:|^fatal error:|^runtime: out of memory|\"level\":\s?\"(?:panic|dpanic|fatal)\"|\[signal SIG|^SIGABRT"
    rb"|java\.lang\.OutOfMemoryError|A fatal error has been detected by the Java Runtime|unexpected fault address",
    re.IGNORECASE,
)
# The server's own check of its data failed: etcd's corruption check, ZooKeeper's digests (ZOOKEEPER-3150). A finding
# even where all replicas hold the same in the end: a snapshot sent since then hides what was wrong, and operators
# must treat it as corruption.
_ALARM: Final = re.compile(
    rb"\balarm:\s?\"?CORRUPT|\"alarm\":\s?\"CORRUPT|data inconsistency|Digests are not matching|digest mismatch",
    re.IGNORECASE,
)
# What a server says that cannot have the port, or was asked to do what it rightly refuses, is not its own crash.
_NOT_ITS_OWN: Final = re.compile(rb"address already in use|invalid downgrade|downgrade", re.IGNORECASE)


class Sighting(msgspec.Struct, frozen=True):
    """A crash, or an `alarm` about its data: on which node, when (None: the log does not say), and the lines."""

    node: str
    time_s: float | None
    what: str
    lines: tuple[str, ...] = ()
    alarm: bool = False


def judge(
    folder: Path, deaths: Sequence[Death], faults: Sequence[FaultRow], started: Any, *, agreed: bool = False
) -> Result:
    """Judge a run whose load has begun; `started` is the date of the history's time 0.

    `agreed`: the replicas were compared after the run, and held the same.
    """
    logged = [one for one in _logged(folder / "nodes", started) if not _explained(one, faults)]
    found = [*_died(folder, deaths, logged), *_stayed_down(faults)]
    known = {one.node for one in found}
    found += [one for one in logged if one.node not in known]
    if not found:
        return Result(GUARANTEE, Verdict.VALID, engine="process table and logs")
    return Result(
        GUARANTEE,
        Verdict.INVALID,
        engine="process table and logs",
        anomalies=[_told(one, agreed=agreed) for one in found[:_FOUND_MAX]],
        stats={"found": len(found)},
    )


def _told(one: Sighting, *, agreed: bool) -> Anomaly:
    at = "" if one.time_s is None else f" at {one.time_s:.1f} s"
    last = next((line for line in one.lines if _is_news(line.encode())), one.lines[-1] if one.lines else "")
    since = "; after the run all replicas held the same" if one.alarm and agreed else ""
    return Anomaly(
        name="data alarm" if one.alarm else "server crashed",
        sentence=f"the server on {one.node} {one.what}{at}, and no fault did it"
        + (f": {last}" if last else "")
        + since,
        key=one.node,
        detail=Crash(node=one.node, time_s=one.time_s, lines=list(one.lines)),
    )


def _died(folder: Path, deaths: Sequence[Death], logged: Sequence[Sighting]) -> list[Sighting]:
    found = []
    for death in deaths:
        said = next((one.lines for one in logged if one.node == death.node), None)
        lines = said or _last_lines(folder / "nodes" / death.node)
        how = f" ({death.how})" if death.how else ""
        found.append(Sighting(death.node, death.time_s, f"ended by itself{how}", lines))
    return found


def _last_lines(folder: Path) -> tuple[str, ...]:
    for path in sorted(folder.glob("*.log")):
        lines = [_text(raw) for raw in _read(path).split(b"\n") if raw.strip()]
        if lines:
            return tuple(lines[-_EVIDENCE:])
    return ("(no log was fetched)",)


def _stayed_down(faults: Sequence[FaultRow]) -> list[Sighting]:
    """Return servers that refused to start again after a fault, by the proofs of the healings."""
    found = []
    for row in faults:
        dead = row.healed_proof.data.get("dead") if row.healed_proof is not None else None
        for node, why in (dead if isinstance(dead, Mapping) else {}).items():
            lines = tuple(_text(line.encode()) for line in str(why).splitlines()[-_EVIDENCE:])
            one = Sighting(node, row.healed_s, f"did not start again after {row.fault}", lines)
            if not (_explained(one, faults) or _NOT_ITS_OWN.search(str(why).encode())):
                found.append(one)
    return found


def _explained(one: Sighting, faults: Sequence[FaultRow]) -> bool:
    """Whether a fault that makes servers crash was at work there then (`Fault.crashes`: "own" nodes or "any")."""
    for row in faults:
        crashes = _crashes(row.fault)
        if crashes is None or (crashes == "own" and one.node not in row.nodes):
            continue
        if one.time_s is None:
            return True
        until = float("inf") if crashes == "any" or row.healed_s is None else row.healed_s + _GRACE_S
        if (row.began_s or 0.0) - 1 <= one.time_s <= until:
            return True
    return False


def _crashes(fault: str) -> str | None:
    try:
        return registered(fault).crashes
    except (registry.UnknownNameError, Broken):  # a stored run may have had another package's
        return None


def _logged(root: Path, started: Any) -> list[Sighting]:
    """Return crashes and alarms by node, the lines of one moment together."""
    start = started_at(started)
    begin = 0.0 if start is None else start.timestamp()
    found: list[Sighting] = []
    for path in sorted(root.glob("*/*.log"))[: 10 * _FOUND_MAX]:
        time_s: float | None = None
        days: dict[bytes, float] = {}
        lines = _read(path).split(b"\n")
        skip_to = 0
        for number, raw in enumerate(lines):
            date = date_of(raw, days, begin) if raw else None
            if date is not None and start is not None:
                time_s = date - begin
            if number < skip_to or not _is_news(raw) or _NOT_ITS_OWN.search(raw):
                continue
            # Before the load began it is not this run's business.
            if time_s is not None and time_s < 0:
                continue
            skip_to = number + _EVIDENCE
            told = tuple(_text(line) for line in lines[number:skip_to] if line.strip())
            at = None if time_s is None else round(time_s, 3)
            alarm = _ALARM.search(raw) is not None
            what = "raised an alarm about its own data" if alarm else "crashed"
            found.append(Sighting(path.parent.name, at, what, told, alarm))
    return found


def _is_news(line: bytes) -> bool:
    return _CRASH.search(line) is not None or _ALARM.search(line) is not None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _FILE_BYTES_MAX))
            return file.read(_FILE_BYTES_MAX)
    except OSError:
        return b""


def _text(raw: bytes) -> str:
    return raw[:_LINE_MAX].decode("utf-8", "replace").strip()
