"""Logging in: what a server answers or fails to answer decides the outcome, and no request was sent yet."""

from __future__ import annotations

import asyncio
import contextlib
import struct

import pytest

from quorate.harness.core.outcome import Refused, UsageError
from quorate.harness.systems.zookeeper.client.access import Access
from quorate.harness.systems.zookeeper.client.caller import ClientOptions
from quorate.harness.systems.zookeeper.client.client import ZooKeeperClient
from quorate.harness.systems.zookeeper.server import securing

CONNECTED = struct.pack("!iiq", 0, 15_000, 77) + struct.pack("!i", 16) + b"p" * 16
CHALLENGE = b'realm="zk-sasl-md5",nonce="Ab3",charset=utf-8,algorithm=md5-sess,qop="auth",cipher=""'


def frame(payload):
    return struct.pack("!i", len(payload)) + payload


def answer(xid, err=0, body=b""):
    return frame(struct.pack("!iqi", xid, 0, err) + body)


def buffer(data):
    return struct.pack("!i", len(data)) + data


async def request(reader):
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return await reader.readexactly(length)


def asked_of(answers):
    """Ask a server that answers each step of a login so, and then closes: code, time in s, connections."""

    async def body():
        calls = 0

        async def serve(reader, writer):
            nonlocal calls
            calls += 1
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await request(reader)
                writer.write(frame(CONNECTED))
                for each in answers:
                    await request(reader)
                    writer.write(each)
                await request(reader)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        access = Access(user="quorate", password="secret")
        client = ZooKeeperClient("test", {"n1": place}, 0.5, ClientOptions(access=access))
        loop = asyncio.get_running_loop()
        begin = loop.time()
        with pytest.raises(Refused) as caught:
            await client.write("a", 1)
        took_s = loop.time() - begin
        await client.close()
        server.close()
        return caught.value.code, took_s, calls

    return asyncio.run(body())


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([], "not-connected"),
        ([answer(1, body=buffer(CHALLENGE))], "not-connected"),
        ([answer(1, err=-115)], "not-authenticated"),
        ([answer(1, body=buffer(CHALLENGE)), answer(2, err=-115)], "not-authenticated"),
        ([answer(1, body=buffer(b"\xff="))], "not-authenticated"),
        ([answer(1, body=buffer(b"realm=x"))], "not-authenticated"),
        # Whoever does not know the password cannot prove that it is the server.
        ([answer(1, body=buffer(CHALLENGE)), answer(2, body=buffer(b"rspauth=0"))], "not-authenticated"),
    ],
)
def test_a_login_that_fails_was_no_request_and_is_not_made_again_at_once(answers, code):
    said, took_s, calls = asked_of(answers)
    assert said == code
    assert calls == 1
    assert took_s >= 0.05  # the pause that keeps a client from spinning


@pytest.mark.parametrize("release", ["3.4.14", "3.5.4"])
def test_a_release_without_pem_files_is_refused_before_anything_starts(release):
    with pytest.raises(UsageError, match=r"which came with 3\.5\.5"):
        securing.check_tls([release])
    securing.check_tls(["3.5.5", "3.9.5", "own"])
