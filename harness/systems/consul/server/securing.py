"""TLS and access lists in a cluster of our own: Consul's configuration for both, and the token of all clients."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import msgspec

from quorate.harness.core.clock import until
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.access import FOLDER
from quorate.harness.systems.consul.client.access import PORT, Access

_CALL_S: Final = 5.0
_KNOWN_S: Final = 15.0
_POLL_S: Final = 0.05
_OK: Final = 200
_SILENT: Final = (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError)
_POLICY: Final = "quorate-clients"
# What workloads do, and no more: their own keys, sessions, services of any name, and what an agent says of itself.
_RULES: Final = """\
key_prefix "{prefix}" {{ policy = "write" }}
session_prefix "" {{ policy = "write" }}
service_prefix "" {{ policy = "write" }}
node_prefix "" {{ policy = "write" }}
agent_prefix "" {{ policy = "read" }}
"""


class _Made(msgspec.Struct, frozen=True):
    """What Consul says of a policy or a token that it has made."""

    id: str = msgspec.field(default="", name="ID")
    secret_id: str = msgspec.field(default="", name="SecretID")


def drawn_token() -> str:
    """Return a token as Consul wants them; it lives as long as the cluster."""
    return str(uuid.uuid4())


def tls_configuration(directory: str) -> dict[str, object]:
    """HTTPS alone, at the usual port, and TLS between servers; whoever connects shows a certificate."""
    place = f"{directory}/{FOLDER}"
    return {
        "ca_file": f"{place}/ca.pem",
        "cert_file": f"{place}/node.pem",
        "key_file": f"{place}/node.key",
        "verify_incoming": True,
        "verify_outgoing": True,
        "ports": {"dns": -1, "grpc": -1, "http": -1, "https": PORT},
    }


def acl_configuration(management: str) -> dict[str, object]:
    """Deny by default. `master` is the name of the first token that every release from 1.4 on takes."""
    tokens = {"master": management, "agent": management}
    return {"acl": {"enabled": True, "default_policy": "deny", "tokens": tokens}}


async def clients_token(nodes: Sequence[Node], management: Access) -> str:
    """Make the clients' policy and token, and return it once every server knows it; raises `Broken`."""
    async with management.session(timeout=aiohttp.ClientTimeout(total=_CALL_S)) as http:
        policy = {"Name": _POLICY, "Rules": _RULES.format(prefix=management.prefix)}
        made = await _put(http, management.of(nodes[0]), "policy", policy)
        token = await _put(http, management.of(nodes[0]), "token", {"Policies": [{"ID": made.id}]})
    secret = token.secret_id
    client = msgspec.structs.replace(management, token=secret)
    async with client.session(timeout=aiohttp.ClientTimeout(total=_CALL_S)) as http:

        async def strangers() -> list[str]:
            known = await asyncio.gather(*(_knows(http, client.of(node)) for node in nodes))
            return [node.name for node, knows in zip(nodes, known, strict=True) if not knows]

        unknown = await until(strangers, lambda names: not names, deadline_s=_KNOWN_S, poll_s=_POLL_S)
    if unknown:
        raise Broken(
            "no-token", f"the clients' token was not known to {', '.join(unknown)} in {_KNOWN_S:g} s"
        )
    return secret


async def _put(http: aiohttp.ClientSession, url: str, what: str, body: Mapping[str, object]) -> _Made:
    """Make a policy or a token; the first tries may come before the leader has set its access lists up."""
    said = ""

    async def tried() -> _Made | None:
        nonlocal said
        try:
            async with http.put(f"{url}/v1/acl/{what}", json=body) as answer:
                content = await answer.read()
                if answer.status == _OK:
                    return msgspec.json.decode(content, type=_Made)
                said = f"HTTP {answer.status}: {content.decode(errors='replace').strip()}"
        except _SILENT as error:
            said = str(error) or type(error).__name__
        return None

    made = await until(tried, lambda found: found is not None, deadline_s=_KNOWN_S, poll_s=_POLL_S)
    if made is None:
        raise Broken("no-token", f"Consul made no {what} for the clients: {said}")
    return made


async def _knows(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/v1/acl/token/self?stale") as answer:
            return answer.status == _OK
    except _SILENT:
        return False
