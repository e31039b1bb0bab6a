"""The smallest server there is: it says hello on port 8000 to whoever connects, and runs on every kind of node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from quorate.harness.core.node import Daemon, Node

SERVER = (
    "use IO::Socket::INET; $| = 1;"
    "my $server = IO::Socket::INET->new(LocalPort => 8000, Listen => 9, ReuseAddr => 1) or die $!;"
    "print qq(up\n); while (my $client = $server->accept) { print $client qq(hello\n); close $client }"
)


def hello(node: Node) -> Daemon:
    return Daemon("hello", ("/usr/bin/perl", "-e", SERVER), f"{node.directory}/log/hello.log")


async def eventually(true: Callable[[], Awaitable[bool]], what: str) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if await true():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"never: {what}")


async def answer(address: str) -> bytes:
    try:
        reader, writer = await asyncio.open_connection(address, 8000)
    except OSError:
        return b""
    line = await reader.readline()
    writer.close()
    return line


async def serves(node: Node) -> None:
    async def greets() -> bool:
        return await answer(node.address) == b"hello\n"

    await eventually(greets, f"{node.name} answers")
