"""Sends packets from peers into the queue of the listener, and stops that again, in nodes that can be entered.

The rule stands in a table of quorate's own; it touches no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.cluster.network import EnteredNetwork, rules
from quorate.harness.core.outcome import Broken
from quorate.nemesis.packet.behaviour import Behaviour
from quorate.nemesis.packet.listener import MARK, QUEUE, Counts, Orders

_TIMEOUT_S: Final = 10.0
_ROOT: Final = Path(__file__).parents[3]


class Queueing:
    """The listener and its rules, for one injection at a time."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(
        self, network: EnteredNetwork, peers: Mapping[str, Sequence[str]], behaviour: Behaviour, seed: int
    ) -> None:
        """Start the listener, then queue: `peers` are the senders' addresses by the receiver's name."""
        orders = Orders(tuple(network.namespace(name) for name in peers), behaviour, seed)
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "quorate.nemesis.packet.listener",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=_ROOT, start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(orders) + b"\n")
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_TIMEOUT_S):
                await process.stdin.drain()
                if await process.stdout.readline() == b"ready\n":
                    for name, addresses in peers.items():
                        await network.hold(name, rules.hold(addresses, QUEUE, MARK))
                    return
        raise Broken("packet", f"the packet listener did not start: {await self._last_words()}")

    async def stop(self, network: EnteredNetwork, names: Sequence[str]) -> Counts | None:
        """Take the rules out, then end the listener; returns what it did, None where there is none. Safe twice."""
        for name in names:
            await network.release(name)
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                stdout, _ = await process.communicate()
            return msgspec.json.decode(stdout, type=Counts)
        except (TimeoutError, msgspec.MsgspecError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            return None

    @property
    def is_running(self) -> bool:
        """Whether the listener lives."""
        return self._process is not None and self._process.returncode is None

    async def _last_words(self) -> str:
        process, self._process = self._process, None
        if process is None or process.stderr is None:
            return "no word"
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        words = (await process.stderr.read()).decode(errors="replace").strip()
        await process.wait()
        return words or "no word"
