"""A Consul that is already there: clients alone, below a prefix that is removed at the end."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec

from quorate.harness.core.node import Node
from quorate.harness.systems import access
from quorate.harness.systems.adopting import Adopting
from quorate.harness.systems.consul.client.access import Access
from quorate.harness.systems.consul.server.installing import Installed
from quorate.harness.systems.consul.server.settings import ConsulSettings

log = logging.getLogger(__name__)

OF_CLIENTS: Final = access.OF_CLIENTS | {"token_file"}
_CATALOG: Final = "registers services, which no prefix keeps apart"
ADOPTING: Final = Adopting(
    settings=ConsulSettings,
    of_clients=OF_CLIENTS
    | {"reads", "value_size", "session_ttl", "lock_delay", "session_checks", "spare_connections"},
    beyond=dict.fromkeys(("discovery", "agents"), _CATALOG),
    denied=("HTTP 403", "certificate"),
)
_REMOVE_S: Final = 10.0
_OK: Final = 200
_SILENT: Final = (aiohttp.ClientError, TimeoutError, OSError)


def below(found: Access, run_id: str) -> Access:
    """Return the same, fenced in by a prefix: the one given, or one of the run's own."""
    return msgspec.structs.replace(found, prefix=found.prefix or f"quorate/{run_id}/", fenced=True)


def installed(versions: Mapping[str, str]) -> dict[str, Installed]:
    """Return what runs on each node, of which nothing is known but its version."""
    return {node: Installed("", f"{version} (set up by somebody else)") for node, version in versions.items()}


async def remove(nodes: Sequence[Node], found: Access) -> None:
    """Remove all keys below the prefix, through the first server that does it; log why where none does."""
    said = []
    timeout = aiohttp.ClientTimeout(total=_REMOVE_S)
    async with found.session(timeout=timeout) as http:
        for node in nodes:
            where = f"{found.of(node)}/v1/kv/{quote(found.prefix)}?recurse"
            try:
                async with http.delete(where, server_hostname=found.pems.name) as answer:
                    text = (await answer.text(errors="replace")).strip()
                    if answer.status == _OK:
                        log.info("removed all keys below %s", found.prefix)
                        return
                    said.append(f"{node.name}: HTTP {answer.status}: {text}")
            except _SILENT as error:
                said.append(f"{node.name}: {error or type(error).__name__}")
    log.warning("keys below %s are left: %s", found.prefix, "; ".join(said))
