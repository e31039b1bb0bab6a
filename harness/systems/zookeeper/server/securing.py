"""TLS and SASL in a cluster of our own: ZooKeeper's configuration for both, and the user of all clients."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import UsageError
from quorate.harness.systems.access import FOLDER
from quorate.harness.systems.releases.way import numbers
from quorate.harness.systems.zookeeper.client.access import PORT

USER: Final = "quorate"
JAAS: Final = "conf/jaas.conf"
_PEM_SINCE: Final = (3, 5, 5)


def drawn_password() -> str:
    """Return a password; it lives as long as the cluster."""
    return secrets.token_urlsafe(12)


def check_tls(releases: Sequence[str]) -> None:
    """Raise `UsageError` for a release without TLS by PEM files; one without a number is taken to be new."""
    if old := [release for release in releases if () < numbers(release) < _PEM_SINCE]:
        raise UsageError(
            f"--set tls=yes: ZooKeeper {old[0]} has no TLS with PEM files, which came with 3.5.5"
        )


def tls_lines(node: Node) -> list[str]:
    """TLS alone for clients, at the usual port, and between servers; whoever connects shows a certificate."""
    place = f"{node.directory}/{FOLDER}"
    stores = [
        line
        for prefix in ("ssl", "ssl.quorum")
        for line in (
            f"{prefix}.keyStore.location={place}/both.pem",
            f"{prefix}.keyStore.type=PEM",
            f"{prefix}.trustStore.location={place}/ca.pem",
            f"{prefix}.trustStore.type=PEM",
        )
    ]
    return [
        *stores,
        "ssl.clientAuth=need",
        "ssl.quorum.clientAuth=need",
        "sslQuorum=true",
        f"secureClientPort={PORT}",
        f"secureClientPortAddress={node.address}",
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
    ]


def jaas(password: str) -> dict[str, str]:
    """Return the file that lists who may log in."""
    module = "org.apache.zookeeper.server.auth.DigestLoginModule"
    return {JAAS: f'Server {{\n  {module} required\n  user_{USER}="{password}";\n}};\n'}


def flags(directory: str) -> list[str]:
    """Return the JVM's options: servers accept, from 3.6 on, only clients that have logged in."""
    return [
        f"-Djava.security.auth.login.config={directory}/{JAAS}",
        "-Dzookeeper.authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        "-Dzookeeper.sessionRequireClientSASLAuth=true",
    ]
