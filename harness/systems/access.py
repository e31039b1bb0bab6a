"""How clients are let in, whatever the system: TLS by PEM files, a prefix, and secrets from outside.

The settings are the same for every system that can be reached so; how a system takes a password or a token is its own.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.settings import about
from quorate.harness.core.tuning import TuningSettings
from quorate.harness.systems.certificates import Authority

FOLDER: Final = "tls"  # below a node's directory
OF_CLIENTS: Final = frozenset({"prefix", "ca", "cert", "key", "tls_name"})
OF_USERS: Final = OF_CLIENTS | {"user", "password_file"}
PASSWORD: Final = "QUORATE_PASSWORD"  # noqa: S105 - the name of a variable


class AccessSettings(TuningSettings, frozen=True):
    """TLS within a cluster of our own, and what clients show to one that is already there."""

    tls: Annotated[bool, about("clients and members speak TLS and show certificates, made for the run")] = (
        False
    )
    prefix: (
        Annotated[
            str,
            about(
                "of a cluster that is already there: all keys of the run lie below it",
                unset="one of the run's own",
            ),
        ]
        | None
    ) = None
    ca: (
        Annotated[
            str,
            about(
                "PEM file: the authority of the servers' certificates; clients then speak TLS", unset="none"
            ),
        ]
        | None
    ) = None
    cert: Annotated[str, about("PEM file: the clients' certificate, with key", unset="none")] | None = None
    key: Annotated[str, about("PEM file: the key of the clients' certificate", unset="none")] | None = None
    tls_name: Annotated[str, about("name in the servers' certificates", unset="the address")] | None = None


class UserSettings(AccessSettings, frozen=True):
    """The same where users have passwords."""

    user: (
        Annotated[
            str,
            about(f"name of the clients' user; the password in {PASSWORD} or password_file", unset="none"),
        ]
        | None
    ) = None
    password_file: (
        Annotated[str, about("file with the password of the clients' user", unset="none")] | None
    ) = None


class Pems(msgspec.Struct, frozen=True):
    """PEM texts; without an authority clients speak plain text. `name` is the one in the servers' certificates."""

    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = None
    name: str | None = None

    def context(self) -> ssl.SSLContext | None:
        """Return what Python's own TLS takes; None for plain text. Raises `UsageError` for what is not PEM."""
        if self.ca is None:
            return None
        try:
            made = ssl.create_default_context(cadata=self.ca.decode())
            # From 3.13 on Python refuses certificates without extensions that the services' own clients do not ask for.
            made.verify_flags &= ~ssl.VERIFY_X509_STRICT
            if self.cert is not None and self.key is not None:
                # The ssl module reads the pair from a file alone; it is unlinked once it has been read.
                with tempfile.NamedTemporaryFile(prefix="quorate-pem-") as file:
                    file.write(self.cert + b"\n" + self.key)
                    file.flush()
                    made.load_cert_chain(file.name)
        except (ssl.SSLError, ValueError) as error:
            raise UsageError(f"--set ca, cert, key: not certificates and a key in PEM: {error}") from error
        return made


def read_pems(settings: AccessSettings) -> Pems:
    """Read the files that the settings name; raises `UsageError` for one that cannot be read, and for halves."""
    if (settings.cert is None) != (settings.key is None):
        raise UsageError("--set cert and --set key belong together: give both")
    if (settings.cert or settings.tls_name) and settings.ca is None:
        raise UsageError("give --set ca=FILE too: without it the connection would be plain text")
    return Pems(
        ca=_content("ca", settings.ca),
        cert=_content("cert", settings.cert),
        key=_content("key", settings.key),
        name=settings.tls_name,
    )


def read_secret(setting: str, path: str | None, variable: str) -> str | None:
    """Return a password or a token from a file, else from the environment: it is in no command and no stored run."""
    found = _content(setting, path)
    return os.environ.get(variable) if found is None else found.decode().rstrip("\n")


def read_password(settings: UserSettings) -> str:
    """Return the password of the settings' user, "" for none; raises `UsageError` where a user has none."""
    password = read_secret("password_file", settings.password_file, PASSWORD)
    if settings.user and password is None:
        raise UsageError(
            f"--set user={settings.user}: give its password in {PASSWORD} or by password_file=PATH"
        )
    return password or ""


async def give_certificates(nodes: Sequence[Node]) -> Pems:
    """Put a certificate, its key and the authority on every node, below `FOLDER`; return the clients' own."""
    authority = Authority()
    await asyncio.gather(*(_put(node, authority) for node in nodes))
    client = authority.issue("client")
    return Pems(ca=authority.cert, cert=client.cert, key=client.key)


async def _put(node: Node, authority: Authority) -> None:
    pair = authority.issue(node.name, node.address)
    texts = {"ca.pem": authority.cert, "node.pem": pair.cert, "node.key": pair.key}
    # One file with both is what ZooKeeper takes as a key store.
    texts["both.pem"] = pair.cert + pair.key
    with tempfile.TemporaryDirectory(prefix="quorate-tls-") as folder:
        for name, text in texts.items():
            source = Path(folder) / name
            source.write_bytes(text)
            await node.put(source, f"{node.directory}/{FOLDER}/{name}", mode=0o600)


def _content(name: str, path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"--set {name}={path}: cannot be read: {error.strerror}") from error
