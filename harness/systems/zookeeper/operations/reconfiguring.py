"""The two requests of a reconfiguration: what the ensemble is, and changing it as the superuser."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from kazoo.protocol.serialization import GetData, Reconfig

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import OutcomeError
from quorate.harness.systems.zookeeper.client.access import Access
from quorate.harness.systems.zookeeper.client.caller import Caller, ClientOptions
from quorate.harness.systems.zookeeper.operations.ensemble import Ensemble, Seat, read

_CONFIG: Final = "/zookeeper/config"
_ASK_S: Final = 1.0
_CHANGE_S: Final = 4.0
_SESSION_MS: Final = 4000
# Only a superuser may write the configuration: its access list says so, and restricts only that.
_CREDENTIALS: Final = "super:quorate"
_WHY: Final = {
    -13: "no quorum of the new ensemble is connected and up to date",
    -14: "another reconfiguration is under way",
    -123: "reconfiguration is switched off",
}


def superuser() -> str:
    """Return the option of the JVM that makes the harness a superuser: name and digest, as ZooKeeper stores them."""
    digest = base64.b64encode(hashlib.sha1(_CREDENTIALS.encode()).digest()).decode()  # noqa: S324 - ZooKeeper's format
    return f"-Dzookeeper.DigestAuthenticationProvider.superDigest=super:{digest}"


async def ask(node: Node, access: Access) -> Ensemble | None:
    """Return the ensemble as one server has applied it; None where it serves no client, or is older than 3.5.

    The session that is opened for that is a transaction that a majority has agreed on, and the server has applied it
    when it answers: whatever was changed before the question is seen, and a server that is cut off says nothing.
    """
    caller = Caller("config", {node.name: node.address}, _ASK_S, _options(access))
    try:
        async with caller, caller.operation("config") as link:
            data, _ = (await link.request(GetData(_CONFIG, False))).value
    except OutcomeError:
        return None
    return read(data.decode()) if data else None


async def change(
    through: Node, access: Access, *, joins: Seat | None = None, leaves: int | None = None
) -> str:
    """Let one server join (or change its role), or leave; return why not, empty where it was done."""
    joining = joins.line(plain=access.pems.ca is None) if joins else None
    request = Reconfig(joining, None if leaves is None else str(leaves), None, -1)
    caller = Caller("reconfig", {through.name: through.address}, _CHANGE_S, _options(access))
    try:
        async with caller, caller.operation("reconfig") as link:
            link.introduce("digest", _CREDENTIALS)
            await link.request(request)
    except OutcomeError as error:
        known = [why for number, why in _WHY.items() if f"error {number}" in error.text]
        return f"{through.name}: {known[0] if known else error}"
    return ""


def _options(access: Access) -> ClientOptions:
    return ClientOptions(session_ms=_SESSION_MS, access=access)
