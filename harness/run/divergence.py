"""Do the replicas agree at the end? Compared only where they have applied equally much; silence is not difference.

A replica that diverged may answer every client consistently with itself for ever: no history shows it. So each node
is asked alone for its whole state (`System.dump`), which is kept in the run's folder, and judged from there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core.evidence import Divergence
from quorate.harness.core.system import NodeDump
from quorate.harness.core.verdict import Anomaly, Result, Verdict
from quorate.harness.systems.divergence import Difference, compare

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


def comparable(dumps: Sequence[NodeDump]) -> bool:
    """Whether asking again would help nothing: two nodes could be compared, or two do not exist."""
    result = judge(dumps)
    return result is None or result.verdict is not Verdict.UNKNOWN


def judge(dumps: Sequence[NodeDump]) -> Result | None:
    """Compare the states; None where there is nothing to compare (one node, or a system that cannot be asked)."""
    if len(dumps) <= 1:
        return None
    found = compare(dumps)
    stats = {"positions": {dump.node: dump.position for dump in dumps}, "compared": list(found.compared)}
    if found.differences:
        return Result(
            GUARANTEE,
            Verdict.INVALID,
            engine="comparison",
            anomalies=_anomalies(found.differences),
            stats=stats,
        )
    if not found.compared:
        said = "; ".join(f"{node}: {why}" for node, why in found.not_compared.items())
        reason = f"no two nodes could be compared at the same position ({said})"
        return Result(GUARANTEE, Verdict.UNKNOWN, engine="comparison", reason=reason, stats=stats)
    return Result(GUARANTEE, Verdict.VALID, engine="comparison", stats=stats)


def _anomalies(differences: Sequence[Difference]) -> list[Anomaly]:
    """Report each pair of nodes once, with the first keys that differ."""
    pairs: defaultdict[tuple[str, str, int], list[Difference]] = defaultdict(list)
    for one in differences:
        pairs[one.first, one.second, one.position].append(one)
    return [_told(*pair, found) for pair, found in pairs.items()]


def _told(first: str, second: str, position: int, found: Sequence[Difference]) -> Anomaly:
    shown = "; ".join(
        f"{one.key} is {_short(one.of_first)} on {first} and {_short(one.of_second)} on {second}"
        for one in found[:_SHOWN]
    )
    more = f", and {len(found) - _SHOWN} more keys differ" if len(found) > _SHOWN else ""
    return Anomaly(
        name="replicas diverge",
        sentence=f"{first} and {second} have both applied up to {position}, but {shown}{more}",
        key=found[0].key,
        detail=Divergence(position=position, nodes=[first, second], keys=[one.key for one in found]),
    )


def _short(value: Any) -> str:
    text = "missing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"
