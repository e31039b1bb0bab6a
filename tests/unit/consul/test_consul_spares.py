"""Spare connections: opened behind the first answer, used up by silence, and opened again behind the next answer."""

from __future__ import annotations

import asyncio

import pytest

from quorate.harness.core.outcome import Refused
from quorate.harness.systems.consul.client import access as access_module
from quorate.harness.systems.consul.client.caller import ClientOptions
from quorate.harness.systems.consul.client.client import ConsulClient

SPARES = 4


class Server:
    """Answers every request with an empty list, unless it is silent; knows which connection each request came on."""

    def __init__(self) -> None:
        self.silent = asyncio.Event()
        self.more = asyncio.Event()
        self.connections = 0
        self.asked: list[tuple[int, str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.more.set()
        mine = self.connections
        while line := await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            self.asked.append((mine, line.split()[1].decode()))
            self.more.set()
            if not self.silent.is_set():
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        writer.close()

    async def has(self, connections: int, asked: int = 0) -> None:
        async with asyncio.timeout(20):
            while self.connections < connections or len(self.asked) < asked:
                await self.more.wait()
                self.more.clear()

    def keys_asked(self) -> list[tuple[int, str]]:
        return [(connection, path) for connection, path in self.asked if path.startswith("/v1/kv")]


async def opened(monkeypatch, members: int = 1) -> tuple[Server, asyncio.Server, ConsulClient]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    monkeypatch.setattr(access_module, "PORT", listening.sockets[0].getsockname()[1])
    addresses = {f"n{i}": "127.0.0.1" for i in range(members)}
    client = ConsulClient("unit", addresses, 0.3, ClientOptions(spare_connections=SPARES))
    return server, listening, client


def test_what_follows_silence_is_sent_on_a_connection_that_the_server_knows(monkeypatch):
    async def body() -> None:
        server, listening, client = await opened(monkeypatch)
        await client.read("k")
        await server.has(SPARES, asked=1 + SPARES)
        await client.read("k")  # by its answer, those of the spares have come too
        known = server.connections
        server.silent.set()
        for _ in range(SPARES):
            with pytest.raises(Refused, match="unread"):
                await client.read("k")
        waited = server.keys_asked()[2:]
        assert len({connection for connection, _ in waited}) == SPARES, "each silence costs its connection"
        assert all(connection <= known for connection, _ in waited)

        server.silent.clear()
        await client.read("k")
        await server.has(known + SPARES)
        await client.close()
        listening.close()

    asyncio.run(body())


def test_nothing_is_opened_before_the_first_answer(monkeypatch):
    async def body() -> None:
        server, listening, client = await opened(monkeypatch)
        server.silent.set()
        with pytest.raises(Refused, match="unread"):
            await client.read("k")
        assert server.connections == 1
        assert len(server.asked) == 1
        await client.close()
        listening.close()

    asyncio.run(body())


def test_a_client_of_several_servers_keeps_none(monkeypatch):
    async def body() -> None:
        server, listening, client = await opened(monkeypatch, members=2)
        for _ in range(10):
            await client.read("k")
        await asyncio.sleep(0)
        assert server.connections == 1
        await client.close()
        listening.close()

    asyncio.run(body())
