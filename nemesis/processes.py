"""What faults on server processes share: signals to all targets at once, and states waited for with a deadline."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from quorate.harness.core.clock import until
from quorate.harness.core.fault import Scene
from quorate.harness.core.node import Node, ProcessState
from quorate.harness.core.outcome import Broken

DEAD: Final = frozenset({ProcessState.DEAD})
DEATH_S: Final = 5.0
_POLL_S: Final = 0.005
_TAIL_CHARACTERS: Final = 1500
_LOG_BYTES_MAX: Final = 64 << 20
STACK_CHARACTERS: Final = 100_000  # the stacks of a crash are long, and what led to it stands before them
_REASON_CHARACTERS: Final = 300
_CRASHES: Final = ("panic:", "fatal error:", "unexpected fault")
_LAST_LEVELS: Final = frozenset({"fatal", "panic", "dpanic"})


def nodes_of(scene: Scene, names: Sequence[str]) -> list[Node]:
    """Return the nodes of these names; raise `Broken` for a stranger (a plan of another cluster)."""
    known = {node.name: node for node in scene.cluster.nodes}
    strangers = [name for name in names if name not in known]
    if strangers:
        raise Broken(
            "impossible-target", f"no node is called {', '.join(strangers)}; there are {', '.join(known)}"
        )
    return [known[name] for name in names]


async def signal_all(scene: Scene, names: Sequence[str], signum: int) -> None:
    """Send a signal to the servers on these nodes, all at once."""
    daemon = scene.system.daemon
    await asyncio.gather(*(node.signal(daemon, signum) for node in nodes_of(scene, names)))


async def kill_all(scene: Scene, names: Sequence[str]) -> None:
    """Kill the servers on these nodes, all at once, and return once they are dead; raise `Broken` if one is not."""
    await signal_all(scene, names, signal.SIGKILL)
    found = await wait_for(scene, names, DEAD, DEATH_S)
    if not set(found.values()) <= DEAD:
        raise Broken("not-dead", f"servers outlived SIGKILL: {told(found)}")


async def states(scene: Scene, names: Sequence[str]) -> dict[str, ProcessState]:
    """Return what the process tables say of the servers on these nodes."""
    found = await asyncio.gather(*(node.state(scene.system.daemon) for node in nodes_of(scene, names)))
    return dict(zip(names, found, strict=True))


async def wait_for(
    scene: Scene, names: Sequence[str], wanted: frozenset[ProcessState], deadline_s: float
) -> dict[str, ProcessState]:
    """Return the states once all are as wanted, or as they are at the deadline."""
    return await until(
        lambda: states(scene, names),
        lambda found: set(found.values()) <= wanted,
        deadline_s=deadline_s,
        poll_s=_POLL_S,
    )


def told(found: dict[str, ProcessState]) -> str:
    """Return the states as a sentence part: `n1 running, n2 dead`."""
    return ", ".join(f"{name} {state.value}" for name, state in sorted(found.items()))


async def log_tail(scene: Scene, node: Node, characters: int = _TAIL_CHARACTERS) -> str:
    """Return the last lines of the server's log on a node, or why there are none."""
    for path in scene.system.logs(node):
        with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
            copy = Path(folder) / "log"
            try:
                await node.get(path, copy)
            except Broken:
                continue
            text = await asyncio.to_thread(_tail, copy, characters)
            if text:
                return text
    return "it left no log"


def reason(tail: str) -> str:
    """Return why a server ended, out of the end of its log: its own last sentence rather than the stack below it.

    That is the last JSON line of level fatal or panic (etcd), else the line with which a program of Go crashed, else
    the last that speaks of trouble, else the last one.
    """
    lines = [line.strip() for line in tail.splitlines() if line.strip()] or ["it left no log"]
    said = [sentence for line in lines if (sentence := _last_sentence(line))]
    crashed = [line for line in lines if line.startswith(_CRASHES)]
    bad = [line for line in lines if any(word in line.lower() for word in ("fatal", "panic", "error"))]
    return (said or crashed or bad or lines)[-1][:_REASON_CHARACTERS]


def _last_sentence(line: str) -> str | None:
    """Return message and fields of a JSON log line with which a server ends; None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if fields.pop("level", None) not in _LAST_LEVELS:
        return None
    message = fields.pop("msg", "")
    for dull in ("ts", "caller", "logger", "stacktrace"):
        fields.pop(dull, None)
    more = ", ".join(f"{name} {value}" for name, value in fields.items())
    return f"{message} ({more})" if more else str(message)


def _tail(path: Path, characters: int) -> str:
    with path.open("rb") as file:
        size = path.stat().st_size
        file.seek(max(0, size - 4 * characters))
        return file.read(_LOG_BYTES_MAX).decode(errors="replace").strip()[-characters:]
