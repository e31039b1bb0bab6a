"""The Consul client where no real server can be made to behave so: broken transports, and the table as data."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from quorate.harness.core.outcome import OutcomeError, Refused, Unknown
from quorate.harness.core.settings import read
from quorate.harness.core.test import UsageError
from quorate.harness.systems.consul.client import access as access_module
from quorate.harness.systems.consul.client.caller import ClientOptions
from quorate.harness.systems.consul.client.client import ConsulClient
from quorate.harness.systems.consul.client.outcomes import TABLE, classify
from quorate.harness.systems.consul.server.settings import ConsulSettings

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def client_of(
    serve: Serve, monkeypatch, timeout_s: float = 2.0, spares: int = 0
) -> AsyncIterator[ConsulClient]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    monkeypatch.setattr(access_module, "PORT", server.sockets[0].getsockname()[1])
    client = ConsulClient("unit", {"n1": "127.0.0.1"}, timeout_s, ClientOptions(spare_connections=spares))
    try:
        yield client
    finally:
        await client.close()
        server.close()


async def outcome(awaitable: Awaitable[object]) -> OutcomeError:
    with pytest.raises(OutcomeError) as caught:
        await awaitable
    return caught.value


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("reset", [False, True])
def test_a_request_whose_connection_breaks_is_unknown_and_never_sent_twice(monkeypatch, reset):
    """On a fresh connection and on a used one: HTTP libraries like to repeat a PUT on the latter."""

    async def body() -> None:
        seen: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                head = line + await reader.readuntil(b"\r\n\r\n")
                seen.append(line.split()[0])
                length = next(
                    (int(h[15:]) for h in head.split(b"\r\n") if h.startswith(b"Content-Length:")), 0
                )
                await reader.readexactly(length)
                if seen.count(b"PUT") and line.startswith(b"PUT"):
                    break
                writer.write(answer(b"[]"))
            if reset:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()

        async with client_of(serve, monkeypatch) as client:
            for reads in (0, 1):
                for _ in range(reads):
                    await client.read("k")
                seen.clear()
                unknown = await outcome(client.write("k", 1))
                assert (type(unknown), unknown.code) == (Unknown, "connection-lost")
                assert seen == [b"PUT"]

    asyncio.run(body())


def test_an_answer_that_is_no_json_is_unknown_for_writes_and_unread_for_reads(monkeypatch):
    async def body() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(b"<html>"))

        async with client_of(serve, monkeypatch) as client:
            assert (await outcome(client.write("k", 1))).code == "bad-reply"
            unread = await outcome(client.read("k"))
            assert (type(unread), unread.code) == (Refused, "unread")

    asyncio.run(body())


def test_a_redirect_is_not_followed(monkeypatch):
    async def body() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 307 Temporary\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

        async with client_of(serve, monkeypatch) as client:
            unknown = await outcome(client.write("k", 1))
            assert (type(unknown), unknown.code) == (Unknown, "unknown-error")

    asyncio.run(body())


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.status}-{row.code}-{row.text}")
def test_no_row_is_hidden_by_an_earlier_one(row):
    assert classify(row.status, row.text) is row


def test_what_stands_between_servers_is_open_unless_it_was_never_sent():
    told = {
        "rpc error making call: EOF": "connection-lost",
        "rpc error making call: leadership lost while committing log": "leadership-lost",
        "rpc error making call: No cluster leader": "no-leader",
        "rpc error getting client: failed to get conn: dial tcp: i/o timeout": "no-leader",
        "rpc error making call: something new": "rpc-error",
        "something new": "unknown-error",
    }
    assert {text: classify(500, text).code for text in told} == told
    assert [classify(500, text).outcome for text in told] == ["info", "info", "fail", "fail", "info", "info"]


@pytest.mark.parametrize(
    "given",
    [
        {"reads": "fresh"},
        {"raft_multiplier": "0"},
        {"raft_multiplier": "11"},
        {"processors": "many"},
        {"session_ttl": "9s"},
        {"session_ttl": "long"},
        {"session_checks": "some"},
    ],
)
def test_settings_that_make_no_sense_are_refused(given):
    with pytest.raises(UsageError, match=next(iter(given))):
        read(ConsulSettings, given)


def test_settings_of_others_are_left_alone():
    settings = read(
        ConsulSettings, {"read_share": "0.9", "reads": "stale", "lock_delay": "1s", "session_ttl": "1m"}
    )
    assert settings.client == ClientOptions(reads="stale", session_ttl_s=60, lock_delay_s=1.0)
