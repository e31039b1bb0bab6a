"""How Consul lets a client in: HTTPS, a token, and the prefix below which the client keeps."""

from __future__ import annotations

from typing import Any, Final

import aiohttp
import msgspec

from quorate.harness.core.node import Node
from quorate.harness.systems.access import Pems

PORT: Final = 8500


class Access(msgspec.Struct, frozen=True):
    """Nothing given: plain HTTP, and whatever Consul lets anybody do. All keys lie below `prefix`."""

    pems: Pems = Pems()
    token: str | None = None
    prefix: str = "quorate/"

    def url(self, address: str) -> str:
        """Return where the server at this address (or HOST:PORT) serves HTTP."""
        scheme = "http" if self.pems.ca is None else "https"
        return f"{scheme}://{address}" + ("" if ":" in address else f":{PORT}")

    def of(self, node: Node) -> str:
        """Return the same of a node, whose port is its own where the cluster was there before."""
        return self.url(place(node))

    def session(self, **more: Any) -> aiohttp.ClientSession:
        """Open a session of HTTP with connections of its own; `limit` and what `aiohttp.ClientSession` takes."""
        limits = {name: more.pop(name) for name in ("limit", "keepalive_timeout") if name in more}
        headers = {**more.pop("headers", {}), **({"X-Consul-Token": self.token} if self.token else {})}
        context = self.pems.context()
        connector = aiohttp.TCPConnector(ssl=True if context is None else context, **limits)
        return aiohttp.ClientSession(connector=connector, headers=headers, **more)

    def key(self, kind: str, key: str) -> str:
        """Return where a capability keeps a key; each kind has a prefix of its own."""
        return f"{self.prefix}{kind}/{key}"


def place(node: Node) -> str:
    """Return a node's address, with the port where it is the node's own."""
    return node.address if node.port is None else f"{node.address}:{node.port}"
