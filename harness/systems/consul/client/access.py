"""How Consul lets a client in: HTTPS, a token, and the prefix below which the client keeps."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec

from quorate.harness.core.node import Node
from quorate.harness.systems.access import Pems

PORT: Final = 8500
_KV, _TXN, _SESSION, _SELF = "/v1/kv/", "/v1/txn", "/v1/session/", "/v1/agent/self"


class Access(msgspec.Struct, frozen=True):
    """Nothing given: plain HTTP, and whatever Consul lets anybody do. All keys lie below `prefix`.

    On somebody else's servers clients are `fenced`: what `outside` names is not sent.
    """

    pems: Pems = Pems()
    token: str | None = None
    prefix: str = "quorate/"
    fenced: bool = False

    def url(self, address: str) -> str:
        """Return where the server at this address (or HOST:PORT) serves HTTP."""
        scheme = "http" if self.pems.ca is None else "https"
        return f"{scheme}://{address}" + ("" if ":" in address else f":{PORT}")

    def of(self, node: Node) -> str:
        """Return the same of a node, whose port is its own where the cluster was there before."""
        return self.url(place(node))

    def outside(self, method: str, path: str, body: Any) -> str | None:
        """Return what a request would touch that is not the run's: other keys, and anything but keys and sessions."""
        if not self.fenced:
            return None
        where = path.partition("?")[0]
        if where == _TXN:
            keys = [str(each.get("KV", {}).get("Key")) for each in body or ()]
            return next((key for key in keys if not key.startswith(self.prefix)), None)
        inside = where.startswith((f"{_KV}{quote(self.prefix)}", _SESSION)) or (
            method == "GET" and where == _SELF
        )
        return None if inside else f"{method} {where}"

    def session(self, **more: Any) -> aiohttp.ClientSession:
        """Open an HTTP session with its own connections; `limit` and what `aiohttp.ClientSession` takes."""
        limits = {name: more.pop(name) for name in ("limit", "keepalive_timeout") if name in more}
        headers = {**more.pop("headers", {}), **({"X-Consul-Token": self.token} if self.token else {})}
        context = self.pems.context()
        connector = aiohttp.TCPConnector(ssl=True if context is None else context, **limits)
        return aiohttp.ClientSession(connector=connector, headers=headers, **more)

    def key(self, kind: str, key: str) -> str:
        """Return where a capability keeps a key; each kind has its own prefix."""
        return f"{self.prefix}{kind}/{key}"


def place(node: Node) -> str:
    """Return a node's address, with the port where it is the node's own."""
    return node.address if node.port is None else f"{node.address}:{node.port}"
