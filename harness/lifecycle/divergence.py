"""Do the replicas agree at the end? Compared only where they have applied equally much; silence is not difference.

A replica that diverged may answer every client consistently with itself for ever: no history shows it. So each node
is asked alone for its whole state (`Dumps`), which is kept in the run's folder, and judged from there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.systems.system import NodeDump
from harness.verdict import Anomaly, Result, Verdict

GUARANTEE: Final = "replicas-agree"
FILE: Final = "state.json"
_SHOWN: Final = 3
_TEXT_MAX: Final = 120


def keep(folder: Path, dumps: Sequence[NodeDump]) -> None:
    """Write each node's state to `nodes/<node>/state.json`."""
    for dump in dumps:
        target = folder / "nodes" / dump.node / FILE
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(msgspec.json.encode(dump))


def kept(folder: Path) -> list[NodeDump]:
    """Read the states that a run kept; a damaged file is a node that said nothing."""
    dumps = []
    for path in sorted((folder / "nodes").glob(f"*/{FILE}")):
        try:
            dumps.append(msgspec.json.decode(path.read_bytes(), type=NodeDump))
        except (OSError, msgspec.DecodeError) as error:
            dumps.append(NodeDump(path.parent.name, error=f"{path} cannot be read: {error}"))
    return dumps


def judge(dumps: Sequence[NodeDump]) -> Result | None:
    """Compare the states; None where there is nothing to compare (one node, or a system that cannot be asked)."""
    if len(dumps) <= 1:
        return None
    by_position: defaultdict[int, list[NodeDump]] = defaultdict(list)
    for dump in dumps:
        if dump.error is None and dump.position is not None:
            by_position[dump.position].append(dump)
    anomalies = [
        _told(position, group[0], other)
        for position, group in sorted(by_position.items())
        for other in group[1:]
        if other.contents != group[0].contents
    ]
    compared = max((len(group) for group in by_position.values()), default=0)
    stats = {"positions": {dump.node: dump.position for dump in dumps}, "compared": compared}
    if anomalies:
        return Result(GUARANTEE, Verdict.INVALID, engine="comparison", anomalies=anomalies, stats=stats)
    if compared <= 1:
        said = "; ".join(f"{dump.node}: {dump.error or f'at {dump.position}'}" for dump in dumps)
        reason = f"no two nodes could be compared at the same position ({said})"
        return Result(GUARANTEE, Verdict.UNKNOWN, engine="comparison", reason=reason, stats=stats)
    return Result(GUARANTEE, Verdict.VALID, engine="comparison", stats=stats)


def _told(position: int, one: NodeDump, other: NodeDump) -> Anomaly:
    keys = sorted(set(one.contents) | set(other.contents))
    different = [key for key in keys if one.contents.get(key) != other.contents.get(key)]
    shown = "; ".join(
        f"{key} is {_short(one.contents.get(key))} on {one.node} and {_short(other.contents.get(key))} on {other.node}"
        for key in different[:_SHOWN]
    )
    more = f", and {len(different) - _SHOWN} more differ" if len(different) > _SHOWN else ""
    return Anomaly(
        name="replicas diverge",
        sentence=f"{one.node} and {other.node} have both applied up to {position}, but {shown}{more}",
        key=different[0] if different else None,
        detail={"position": position, "nodes": [one.node, other.node], "keys": different[:100]},
    )


def _short(value: Any) -> str:
    text = "missing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"
