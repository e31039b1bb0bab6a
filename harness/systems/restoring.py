"""A backup received over HTTP, and a server that is started aside from it and removed again, whatever the system."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp

from quorate.harness.core.backup import NotRestorableError
from quorate.harness.core.clock import until
from quorate.harness.core.node import Node, ProcessState
from quorate.harness.core.outcome import Broken, Unknown

FOLDER: Final = "restored"  # below a node's directory
COMPARED: Final = frozenset(
    {"register", "set", "queue", "txn"}
)  # spaces whose keys a history can be compared with
FILLED: Final = "filled-"  # keys that `store_size` wrote begin so
_READY_S: Final = 30.0
_DEATH_S: Final = 5.0
_POLL_S: Final = 0.1
_LINES: Final = "5"
_LOG_MOST: Final = 600
_SERVED: Final = 200
_PIECE: Final = 1 << 16  # bytes
_SAID_MOST: Final = 300
# A server that ends so says nothing of what it was started from.
_OF_THE_MACHINE: Final = (
    "address already in use",
    "Address already in use",
    "no space left",
    "No space left",
)


async def received(answer: aiohttp.ClientResponse, target: Path) -> None:
    """Write the body of an answer to a file, piece by piece; raise `Unknown` where the server refuses to give one."""
    if answer.status != _SERVED:
        said = (await answer.text(errors="replace")).strip()[:_SAID_MOST]
        raise Unknown("not-saved", f"HTTP {answer.status}: {said}")
    with target.open("wb", buffering=0) as file:
        async for piece in answer.content.iter_chunked(_PIECE):
            file.write(piece)


async def ready(node: Node, daemon: str, log: str, asked: Callable[[], Awaitable[str]]) -> None:
    """Return once `asked` says nothing against it; raise `NotRestorableError` where the server ends by itself."""

    async def state() -> tuple[bool, str]:
        if await node.state(daemon) is ProcessState.DEAD:
            return True, "it has ended"
        why = await asked()
        return not why, why

    done, why = await until(state, lambda said: said[0], deadline_s=_READY_S, poll_s=_POLL_S)
    if done and not why:
        return
    said = (await node.run(["tail", "-n", _LINES, log], check=False)).stdout.strip()[-_LOG_MOST:]
    if done and not any(words in said for words in _OF_THE_MACHINE):
        raise NotRestorableError(f"the restored server ended by itself: {said}")
    raise Broken("not-restored", f"the restored server does not serve: {why}: {said}")


async def removed(node: Node, daemon: str, folder: str) -> None:
    """Kill the server and remove its files; what fails is left to the end of the run, which removes all of a node."""
    with contextlib.suppress(Broken):
        await node.signal(daemon, signal.SIGKILL)
        await until(
            lambda: node.state(daemon),
            lambda state: state is ProcessState.DEAD,
            deadline_s=_DEATH_S,
            poll_s=_POLL_S,
        )
        await node.run(["rm", "-rf", folder], check=False)
