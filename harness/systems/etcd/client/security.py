"""How a client proves who it is: certificates of TLS, a user with a password, and the prefix it keeps to."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio

from quorate.harness.core.outcome import Refused
from quorate.harness.systems.access import Pems
from quorate.harness.systems.etcd.protocol import Stubs, pb


class Security(Pems, frozen=True):
    """PEM texts and a user; nothing given: plain text, no user."""

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
