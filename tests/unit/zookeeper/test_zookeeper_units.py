"""The ZooKeeper client where no real server can be made to behave so: frames, broken transports, data."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace

import pytest
from kazoo.protocol.serialization import Connect, Exists, GetData, SetData, Sync

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import OutcomeError, Refused, Unknown
from quorate.harness.core.settings import read
from quorate.harness.core.test import UsageError
from quorate.harness.systems.zookeeper.client.access import open_link
from quorate.harness.systems.zookeeper.client.caller import ClientOptions
from quorate.harness.systems.zookeeper.client.connection import Heard, Link, Notice, Session, State
from quorate.harness.systems.zookeeper.client.notices import Listening
from quorate.harness.systems.zookeeper.client.outcomes import TABLE, outcome_of
from quorate.harness.systems.zookeeper.client.records import AddWatch, CreateTTL
from quorate.harness.systems.zookeeper.server.configuring import configuration
from quorate.harness.systems.zookeeper.server.settings import ZooKeeperSettings

STAT = struct.pack("!qqqqiiiqiiq", 1, 2, 0, 0, 3, 0, 0, 0, 1, 0, 1)
GONE = (ConnectionError, asyncio.IncompleteReadError)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def test_a_listener_hears_its_own_space_alone():
    """Workloads side by side read what is left with one client each: what it watched before speaks on."""
    listening = Listening(SimpleNamespace(), 2, "/q/names/watch", once=False)
    for record in (
        Notice(3, "/q/names/notices/k0"),
        Notice(3, "/q/names/watch"),
        AddWatch("/q/names/notices", recursive=True),
        GetData("/q/names/notices/k0", False),
    ):
        listening._hear(Heard(record, 7, 0, (b"1", SimpleNamespace(mzxid=7))))
    assert listening.items == []
    listening._hear(Heard(AddWatch("/q/names/watch", recursive=True), 8))
    listening._hear(Heard(Notice(3, "/q/names/watch/k0"), 9))
    listening._hear(Heard(GetData("/q/names/watch/k0", False), 10, 0, (b"1", SimpleNamespace(mzxid=9))))
    assert listening.items == [["set", 8], ["told", "changed", "k0", 9], ["read", "k0", 1, 9, 10, False]]


def frame(payload: bytes) -> bytes:
    return struct.pack("!i", len(payload)) + payload


def reply(xid: int, zxid: int = 5, err: int = 0, body: bytes = b"") -> bytes:
    return frame(struct.pack("!iqi", xid, zxid, err) + body)


async def asked(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return await reader.readexactly(length)


@contextlib.asynccontextmanager
async def link_to(serve: Serve, session_ms: int = 15_000) -> AsyncIterator[Link]:
    async def shaken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*GONE):
            await asked(reader)
            writer.write(frame(struct.pack("!iiq", 0, session_ms, 77) + struct.pack("!i", 16) + b"p" * 16))
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(shaken, "127.0.0.1", 0)
    link = await open_link(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", Session(timeout_ms=session_ms))
    try:
        yield link
    finally:
        link.close(end_session=False)
        server.close()


async def outcome(awaitable: Awaitable[object]) -> OutcomeError:
    with pytest.raises(OutcomeError) as caught:
        await awaitable
    return caught.value


def test_frames_come_in_any_pieces():
    async def body() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked(reader)
            await asked(reader)
            data = struct.pack("!i", 1) + b"1" + STAT
            for byte in reply(1, body=struct.pack("!i", 2) + b"/a") + reply(2, 6, body=data):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            await reader.read()

        async with link_to(serve) as link:
            assert link.session == Session(77, b"p" * 16, 15_000)
            synced, found = link.request(Sync("/a")), link.request(GetData("/a", False))
            answer = await found
            assert synced.done()
            assert (answer.value[0], answer.value[1].mzxid, answer.zxid) == (b"1", 2, 6)

    asyncio.run(body())


def test_a_late_reply_is_not_taken_for_the_next_one():
    async def body() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked(reader)
            await asked(reader)
            writer.write(reply(1, body=STAT) + reply(2, err=-101))
            await reader.read()

        async with link_to(serve) as link:
            link.request(SetData("/a", b"", -1)).cancel()
            refused = await outcome(link.request(Exists("/a", False)))
            assert (type(refused), refused.code, link.state) == (Refused, "not-found", State.LIVE)
            assert link.writes == 1

    asyncio.run(body())


@pytest.mark.parametrize(
    "garbage",
    [reply(9), struct.pack("!i", -5), struct.pack("!i", 1 << 30), b""],
    ids=["xid", "negative", "huge", "end"],
)
def test_what_is_no_reply_ends_the_connection_and_leaves_the_write_open(garbage):
    async def body() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked(reader)
            writer.write(garbage)
            if garbage:
                await reader.read()

        async with link_to(serve) as link:
            unknown = await outcome(link.request(SetData("/a", b"", -1)))
            assert (type(unknown), unknown.code, link.state) == (Unknown, "connection-lost", State.LOST)
            refused = await outcome(asyncio.wait_for(_requested(link), 1))
            assert (type(refused), refused.code) == (Refused, "not-connected")

    async def _requested(link: Link) -> None:
        await link.request(Exists("/a", False))

    asyncio.run(body())


@pytest.mark.parametrize(("err", "state"), [(-112, State.EXPIRED), (-118, State.LOST)])
def test_a_session_that_is_over_or_elsewhere_ends_the_connection(err, state):
    async def body() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked(reader)
            writer.write(reply(1, err=err))
            await reader.read()

        async with link_to(serve) as link:
            assert isinstance(await outcome(link.request(SetData("/a", b"", -1))), Refused)
            assert link.state is state

    asyncio.run(body())


def test_a_server_that_says_nothing_is_given_up_within_its_session():
    async def body() -> None:
        async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with link_to(serve, session_ms=300) as link:
            begun = asyncio.get_running_loop().time()
            unknown = await outcome(link.request(SetData("/a", b"", -1)))
            assert unknown.code == "connection-lost"
            assert "said nothing" in unknown.text
            assert asyncio.get_running_loop().time() - begun >= 0.2

    asyncio.run(body())


def test_watch_events_are_kept_in_order_and_their_end_is_told():
    async def body() -> None:
        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for kind in (1, 3):
                writer.write(reply(-1, -1, body=struct.pack("!iii", kind, 3, 2) + b"/a"))
            await writer.drain()

        async with link_to(serve) as link:
            seen = [await asyncio.wait_for(link.notices.get(), 2) for _ in range(3)]
            assert seen == [Notice(1, "/a"), Notice(3, "/a"), None]

    asyncio.run(body())


def test_an_expired_session_is_refused_at_the_door():
    async def body() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked(reader)
            writer.write(frame(struct.pack("!iiq", 0, 0, 0) + struct.pack("!i", 16) + b"\0" * 16))
            await reader.read()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        opening = open_link(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", Session(5, b"x" * 16))
        assert (await outcome(opening)).code == "session-expired"
        server.close()

    asyncio.run(body())


def test_records_that_kazoo_lacks_have_the_layout_of_zookeeper_jute():
    assert AddWatch("/a", recursive=True).serialize() == b"\0\0\0\x02/a\0\0\0\x01"
    made = CreateTTL("/a", b"x", 7).serialize()
    assert made.startswith(b"\0\0\0\x02/a\0\0\0\x01x\0\0\0\x01")
    assert made.endswith(b"\0\0\0\x05" + struct.pack("!q", 7))
    assert Connect(0, 1, 2, 3, b"p", False).serialize()[-1] == 0


def test_every_error_has_one_row_and_what_is_unknown_stays_open():
    assert len({row.err for row in TABLE}) == len(TABLE)
    for row in TABLE:
        raised = outcome_of(row.err, "x")
        assert (type(raised), raised.code) == (Refused if row.outcome == "fail" else Unknown, row.code)
    assert isinstance(outcome_of(-999, "x"), Unknown)


class Place:
    """What of a node a configuration needs."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address, self.directory = name, address, f"/run/{name}"


def test_the_configuration_names_all_servers_and_one_alone_is_standalone():
    nodes: list[Node] = [Place("n1", "10.0.0.1"), Place("n2", "10.0.0.2")]  # type: ignore[list-item]
    text = configuration(nodes, nodes[1], ZooKeeperSettings())
    assert "clientPortAddress=10.0.0.2\n" in text
    assert "server.1=10.0.0.1:2888:3888\nserver.2=10.0.0.2:2888:3888\n" in text
    assert "server." not in configuration(nodes[:1], nodes[0], ZooKeeperSettings())


@pytest.mark.parametrize(
    "given",
    [{"reads": "fresh"}, {"tick": "0ms"}, {"session": "2m"}, {"session": "900ms"}, {"sync_limit": "0"}],
)
def test_settings_that_make_no_sense_are_refused(given):
    with pytest.raises(UsageError, match=next(iter(given))):
        read(ZooKeeperSettings, given)


def test_settings_have_their_units():
    settings = read(
        ZooKeeperSettings, {"reads": "plain", "tick": "200ms", "session": "1s", "read_share": "1"}
    )
    expected = ClientOptions(reads="plain", session_ms=1000, sync_ms=4 * 200)
    assert (settings.client, settings.tick_ms) == (expected, 200)
