"""How a client proves who it is: certificates of TLS, a user with a password, and the prefix it keeps to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import msgspec

from quorate.harness.core.outcome import Refused, UsageError
from quorate.harness.systems.etcd.protocol import Stubs, pb

PASSWORD: Final = "QUORATE_PASSWORD"  # noqa: S105 - the name of a variable


class Security(msgspec.Struct, frozen=True):
    """PEM texts and a user; nothing given: plain text, nobody. `name` is the one in the servers' certificate."""

    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = None
    name: str | None = None
    user: str | None = None
    password: str = ""

    def channel(self, target: str, options: list[tuple[str, Any]]) -> grpc.aio.Channel:
        """Open a channel to one member, over TLS where certificates are given."""
        if self.ca is None:
            return grpc.aio.insecure_channel(target, options=options)
        if self.name is not None:
            options = [*options, ("grpc.ssl_target_name_override", self.name)]
        credentials = grpc.ssl_channel_credentials(self.ca, self.key, self.cert)
        return grpc.aio.secure_channel(target, credentials, options=options)


class Identity:
    """A user's token, for all connections: etcd's tokens are known to every member, and a password costs it 0.1 s."""

    def __init__(self, security: Security) -> None:
        self._security = security
        self._token: str | None = None
        self._asking = asyncio.Lock()

    async def metadata(
        self, stubs: Stubs, target: str, deadline: float
    ) -> tuple[tuple[str, str], ...] | None:
        """Return what goes along with a call; None without a user.

        Asks for a token where there is none; raises `Refused` where none comes in time: the call was not sent.
        """
        user = self._security.user
        if user is None:
            return None
        try:
            async with asyncio.timeout_at(deadline), self._asking:
                if self._token is None:
                    request = pb.AuthenticateRequest(name=user, password=self._security.password)
                    left = deadline - asyncio.get_running_loop().time()
                    self._token = str((await stubs.Authenticate(request, timeout=left)).token)
                return (("token", self._token),)
        except TimeoutError:
            raise Refused("not-authenticated", f"{target}: no token for {user} in time") from None
        except grpc.aio.AioRpcError as error:
            raise Refused("not-authenticated", f"{target}: no token for {user}: {error.details()}") from None

    def renew(self, used: tuple[tuple[str, str], ...] | None) -> None:
        """Ask for another token at the next call, unless another call has done so."""
        if used is not None and used[0][1] == self._token:
            self._token = None


def read_security(given: Mapping[str, str]) -> Security:
    """Take it out of `--set`; raises `UsageError` for a file that is not there and for halves.

    The password comes from a file or from the environment, so that it is in no command and no stored run.
    """
    if "user" in given and "password_file" not in given and PASSWORD not in os.environ:
        raise UsageError(f"user={given['user']}: give its password in {PASSWORD} or by password_file=PATH")
    if ("cert" in given) != ("key" in given):
        raise UsageError("cert and key belong together: give both")
    if ("cert" in given or "tls_name" in given) and "ca" not in given:
        raise UsageError("give ca=FILE too: without it the connection would be plain text")
    password = _file(given, "password_file")
    return Security(
        ca=_file(given, "ca"),
        cert=_file(given, "cert"),
        key=_file(given, "key"),
        name=given.get("tls_name"),
        user=given.get("user"),
        password=os.environ.get(PASSWORD, "") if password is None else password.decode().rstrip("\n"),
    )


def _file(given: Mapping[str, str], name: str) -> bytes | None:
    if name not in given:
        return None
    try:
        return Path(given[name]).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{name}={given[name]}: cannot be read: {error.strerror}") from error
