"""TLS and authentication in a cluster of our own: etcd's flags, and a root user for all clients."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import msgspec

from quorate.harness.core.outcome import Refused
from quorate.harness.systems.access import FOLDER
from quorate.harness.systems.etcd.client.connection import Connection
from quorate.harness.systems.etcd.client.security import Security
from quorate.harness.systems.etcd.protocol import pb

_ROOT: Final = "root"  # etcd's own name for who may do all
_ASK_S: Final = 10.0


def flags(directory: str) -> dict[str, str]:
    """Return etcd's flags for a node that keeps its certificates below the directory: clients and peers show theirs."""
    place = f"{directory}/{FOLDER}"
    files = {"cert-file": "node.pem", "key-file": "node.key", "trusted-ca-file": "ca.pem"}
    return {
        **{name: f"{place}/{file}" for name, file in files.items()},
        **{f"peer-{name}": f"{place}/{file}" for name, file in files.items()},
        "client-cert-auth": "true",
        "peer-client-cert-auth": "true",
    }


def with_user(security: Security) -> Security:
    """Return the same with a root user, whose password is drawn."""
    return msgspec.structs.replace(security, user=_ROOT, password=secrets.token_urlsafe(12))


async def require_users(connection: Connection, security: Security) -> None:
    """Make the root user and require passwords; done once, and again without harm."""
    requests = (
        ("UserAdd", pb.AuthUserAddRequest(name=_ROOT, password=security.password)),
        ("RoleAdd", pb.AuthRoleAddRequest(name=_ROOT)),
        ("UserGrantRole", pb.AuthUserGrantRoleRequest(user=_ROOT, role=_ROOT)),
        ("AuthEnable", pb.AuthEnableRequest()),
    )
    for method, request in requests:
        try:
            await connection.call(method, request, asyncio.get_running_loop().time() + _ASK_S)
        except Refused as error:
            if "already" not in error.text:
                raise
