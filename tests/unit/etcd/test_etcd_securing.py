"""Certificates of a run, and the flags that use them."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from quorate.harness.core.outcome import Refused, UsageError
from quorate.harness.core.settings import read
from quorate.harness.systems.certificates import Authority
from quorate.harness.systems.etcd.client.security import Identity, Security
from quorate.harness.systems.etcd.server import securing
from quorate.harness.systems.etcd.server.settings import EtcdSettings


def test_a_client_and_a_node_of_one_authority_trust_each_other(tmp_path):
    authority = Authority()
    for name, pair in (("node", authority.issue("n1", "127.0.0.1")), ("client", authority.issue("client"))):
        (tmp_path / f"{name}.pem").write_bytes(pair.cert)
        (tmp_path / f"{name}.key").write_bytes(pair.key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "node.pem", tmp_path / "node.key")
    serving.load_verify_locations(cadata=authority.cert.decode())
    serving.verify_mode = ssl.CERT_REQUIRED
    asking = ssl.create_default_context(cadata=authority.cert.decode())
    asking.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")

    async def talk():
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=serving)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=asking)
        assert await reader.read() == b""
        writer.close()
        stranger = ssl.create_default_context(cadata=Authority().cert.decode())
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=stranger)
        server.close()

    asyncio.run(talk())


def test_flags_ask_for_certificates_on_both_sides():
    flags = securing.flags("/node")
    assert flags["client-cert-auth"] == flags["peer-client-cert-auth"] == "true"
    assert flags["peer-key-file"] == "/node/tls/node.key"


def test_a_password_is_drawn_each_time():
    first, second = securing.with_user(Security()), securing.with_user(Security())
    assert first.user == "root"
    assert first.password != second.password


@pytest.mark.parametrize(("said", "meant"), [("yes", True), ("true", True), ("no", False), ("false", False)])
def test_they_are_switched_by_settings(said, meant):
    settings = read(EtcdSettings, {"tls": said, "auth": said})
    assert (settings.tls, settings.auth) == (meant, meant)
    with pytest.raises(UsageError, match="tls=maybe"):
        read(EtcdSettings, {"tls": "maybe"})


class Answers:
    """Stubs that give a token each time they are asked, after a while."""

    def __init__(self, pause_s=0.0):
        self.asked = 0
        self.pause_s = pause_s

    async def Authenticate(self, request, timeout):  # noqa: ARG002, ASYNC109, N802 - the stub's own signature
        self.asked += 1
        await asyncio.sleep(self.pause_s)

        class Said:
            token = f"token {self.asked}"

        return Said


def test_one_token_serves_all_until_it_is_renewed():
    async def use():
        stubs, who = Answers(0.01), Identity(Security(user="me"))
        end = asyncio.get_running_loop().time() + 5
        tokens = await asyncio.gather(*(who.metadata(stubs, "n1", end) for _ in range(5)))
        assert set(tokens) == {(("token", "token 1"),)}
        who.renew(tokens[0])
        again = await who.metadata(stubs, "n1", end)
        who.renew(tokens[1])
        assert await who.metadata(stubs, "n1", end) == again == (("token", "token 2"),)
        assert await Identity(Security()).metadata(stubs, "n1", end) is None

    asyncio.run(use())


def test_a_token_that_does_not_come_in_time_means_that_nothing_was_sent():
    async def use():
        who = Identity(Security(user="me"))
        with pytest.raises(Refused, match="no token for me in time"):
            await who.metadata(Answers(5.0), "n1", asyncio.get_running_loop().time() + 0.05)

    asyncio.run(use())
