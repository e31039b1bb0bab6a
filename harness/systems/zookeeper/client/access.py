"""How ZooKeeper lets a client in: TLS, a user who logs in by SASL (DIGEST-MD5), and the node below which it keeps."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

import msgspec
from kazoo.protocol.serialization import SASL
from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE
from puresasl import SASLError, SASLProtocolException
from puresasl.client import SASLClient

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Refused, Unknown
from quorate.harness.systems.access import Pems
from quorate.harness.systems.zookeeper.client import outcomes
from quorate.harness.systems.zookeeper.client.connection import Link, Session

PORT: Final = 2181
ROOT: Final = "/quorate"
MECHANISM: Final = "DIGEST-MD5"
_HOST: Final = "zk-sasl-md5"  # what ZooKeeper's own client calls every server to this mechanism
_STEPS_MAX: Final = 5
# What the library raises for a challenge that does not prove the server, or that lacks a part (AttributeError).
_NO_PROOF: Final = (SASLError, SASLProtocolException, AttributeError, KeyError, ValueError)


class Access(msgspec.Struct, frozen=True):
    """Nothing given: plain text, no user, and nodes open to all. All nodes lie below `root`.

    On somebody else's servers clients are `fenced`: a request for another node is not sent.
    """

    pems: Pems = Pems()
    user: str | None = None
    password: str = ""
    root: str = ROOT
    fenced: bool = False

    @property
    def acl(self) -> list[Any]:
        """Who may do what to a node that is made: its maker alone, where makers are somebody."""
        return list(OPEN_ACL_UNSAFE if self.user is None else CREATOR_ALL_ACL)

    def kazoo(self) -> dict[str, object]:
        """Return the same as options of kazoo's client, which speaks plain text here."""
        if self.user is None:
            return {}
        login = {"mechanism": MECHANISM, "username": self.user, "password": self.password}
        return {"sasl_options": login, "default_acl": self.acl}

    def path(self, kind: str, key: str) -> str:
        """Return where a capability keeps a key."""
        return f"{self.root}/{kind}/{key.replace('/', '+')}"


def place(node: Node) -> str:
    """Return a node's address, with the port where it is the node's own."""
    return node.address if node.port is None else f"{node.address}:{node.port}"


def located(place: str) -> tuple[str, int]:
    """Return host and port of an address that may name its port."""
    host, colon, port = place.rpartition(":")
    return (host, int(port)) if colon else (place, PORT)


async def open_link(
    address: str,
    session: Session,
    last_zxid: int = 0,
    kind: type[Link] = Link,
    *,
    access: Access = Access(),  # noqa: B008 - frozen
) -> Link:
    """Connect, get or resume the session, and log in; raise `Refused` where that fails: nothing was asked yet.

    The caller keeps the deadline.
    """
    loop = asyncio.get_running_loop()
    host, port = located(address)
    context = access.pems.context()
    try:
        transport, link = await loop.create_connection(
            lambda: kind(session, last_zxid), host, port, ssl=context,
            server_hostname=access.pems.name or host if context is not None else None,
        )  # fmt: skip
    except (OSError, ssl.SSLError) as error:
        raise outcomes.not_connected(f"{host}:{port}: {error.strerror or error}") from error
    link.fence = access.root if access.fenced else None
    try:
        await link.ready()
        if access.user is not None:
            await _log_in(link, access.user, access.password)
    except BaseException:
        transport.abort()
        raise
    return link


async def _log_in(link: Link, user: str, password: str) -> None:
    """Answer the server's challenges (RFC 2831) until both sides are content."""
    client = SASLClient(_HOST, "zookeeper", mechanism=MECHANISM, username=user, password=password)
    challenge: bytes | None = None
    try:
        for _ in range(_STEPS_MAX):
            answer = client.process(challenge)
            if client.complete and not answer:
                return
            challenge = (await link.request(SASL(answer or b""))).value[0]
            if client.complete:
                return
    except _NO_PROOF as error:
        raise Refused(outcomes.DENIED, f"{user}: {error}") from error
    except Unknown as error:
        # The connection ended under the login: nothing was asked, and another server may do better.
        raise outcomes.not_connected(f"{user} was not logged in: {error}") from error
    raise Refused(outcomes.DENIED, f"{user}: the server asked for more than {_STEPS_MAX} answers")
