"""Sends packets from peers into the queue of the listener, and takes the rule out again, in nodes that can be entered.

The rule is iptables' own: kernels without nft's queue expression still have its target. It stands in a chain of
quorate's, which is unhooked and removed by name; nothing else is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.cluster import commands
from quorate.harness.core.node import Completed
from quorate.harness.core.outcome import Broken
from quorate.nemesis.packet.behaviour import Behaviour
from quorate.nemesis.packet.listener import MARK, QUEUE, Counts, Orders

CHAIN: Final = "QUORATE_PACKET"
_TIMEOUT_S: Final = 10.0
_ROOT: Final = Path(__file__).parents[3]


def rules(peers: Sequence[str]) -> str:
    """Return the input of `iptables-restore --noflush` that queues what comes from these addresses."""
    queued = "".join(
        f"-A {CHAIN} -s {peer}/32 -m mark ! --mark {MARK:#x} -j NFQUEUE --queue-num {QUEUE} --queue-bypass\n"
        for peer in sorted(peers)
    )
    return f"*mangle\n:{CHAIN} - [0:0]\n{queued}-A PREROUTING -j {CHAIN}\nCOMMIT\n"


class Queueing:
    """The listener and its rules, for one injection at a time."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, peers: Mapping[str, Sequence[str]], behaviour: Behaviour, seed: int) -> None:
        """Start the listener, then queue: `peers` are the senders' addresses by the receiver's namespace."""
        orders = Orders(tuple(peers), behaviour, seed)
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
                    for netns, addresses in peers.items():
                        await _restore(netns, rules(addresses))
                    return
        raise Broken("packet", f"the packet listener did not start: {await self._last_words()}")

    async def stop(self, namespaces: Sequence[str]) -> Counts | None:
        """Take the rules out, then end the listener; returns what it did, None where there is none. Safe twice."""
        await asyncio.gather(*(_remove(netns) for netns in namespaces))
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


async def is_hooked(netns: str) -> bool:
    """Whether the namespace has quorate's chain."""
    done = await _iptables(netns, ["iptables", "-w", "-t", "mangle", "-S", CHAIN])
    return done.code == 0


async def _remove(netns: str) -> None:
    """Unhook and remove the chain; nothing happens where it is not there."""
    if not await is_hooked(netns):
        return
    for argv in (["-D", "PREROUTING", "-j", CHAIN], ["-F", CHAIN], ["-X", CHAIN]):
        done = await _iptables(netns, ["iptables", "-w", "-t", "mangle", *argv])
        if done.code != 0 and argv[0] != "-D":  # half made: there may be no jump to it
            raise Broken("packet", f"iptables {' '.join(argv)}: {done.stderr.strip()}")


async def _restore(netns: str, text: str) -> None:
    done = await _iptables(netns, ["iptables-restore", "-w", "--noflush"], text)
    if done.code != 0:
        raise Broken("packet", f"iptables cannot queue packets in {netns}: {done.stderr.strip()}")


async def _iptables(netns: str, argv: Sequence[str], stdin: str = "") -> Completed:
    return await commands.run(
        ["nsenter", f"--net={netns}", "--", *argv],
        timeout_s=_TIMEOUT_S, stdin=stdin.encode(), label=argv, check=False,
    )  # fmt: skip
