"""One connection to one member: no retries, quick reconnection, and a call is sent only over a live connection."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import grpc
import grpc.aio

from quorate.harness.core.outcome import Refused
from quorate.harness.systems.etcd.client.namespace import Namespace
from quorate.harness.systems.etcd.client.outcomes import RENEWS, outcome_of
from quorate.harness.systems.etcd.client.security import Identity, Security
from quorate.harness.systems.etcd.protocol import Stubs

CLIENT_PORT: Final = 2379
_CLOSE_S: Final = 0.5
_RETRY_S: Final = 0.1
_REPLY_MAX_BYTES: Final = 64 * 1024 * 1024

# Each of these was learnt by running: channels to one address share a TCP connection by default; gRPC
# retries by itself; its default backoff grows towards two minutes and would hide a recovery; what it calls the least
# backoff is how long one attempt to connect may take, handshake included; etcd ends connections that ping more often
# than every five seconds.
CHANNEL_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", _REPLY_MAX_BYTES),
)

PLAIN: Final = Security()
_READY = grpc.ChannelConnectivity.READY
_FAILED = grpc.ChannelConnectivity.TRANSIENT_FAILURE


class Connection:
    """A channel pinned to one member by its literal address; `member` is the node's name.

    `limits` replaces channel options by name, e.g. a small `grpc.max_receive_message_length`. An
    `identity` shares a user's token with other connections. With a `namespace` every call stays below its prefix.
    """

    def __init__(
        self,
        member: str,
        address: str,
        port: int = CLIENT_PORT,
        limits: dict[str, int] | None = None,
        security: Security = PLAIN,
        identity: Identity | None = None,
        namespace: Namespace | None = None,
    ) -> None:
        self.member = member
        self.target = f"{address}:{port}"
        options = {**dict(CHANNEL_OPTIONS), **(limits or {})}
        self.channel = security.channel(self.target, list(options.items()))
        self.stubs = Stubs(self.channel)
        self._identity = identity or Identity(security)
        self._namespace = namespace

    async def call(self, method: str, request: Any, deadline: float) -> Any:
        """Make one call that ends by `deadline` (of the loop's clock) and return the reply.

        Raises `Refused` where it certainly was not executed, `Unknown` otherwise.
        """
        await self.ready(deadline)
        space = self._namespace
        if space is not None:
            request = space.into(method, request)
        metadata = await self.metadata(deadline)
        try:
            response = await getattr(self.stubs, method)(
                request, timeout=self._left(deadline), metadata=metadata
            )
        except grpc.aio.AioRpcError as error:
            outcome, row = outcome_of(error)
            if row.code in RENEWS:
                self._identity.renew(metadata)  # for the next call: this one is not sent again
            raise outcome from None
        return response if space is None else space.out_of(method, response)

    async def metadata(self, deadline: float) -> tuple[tuple[str, str], ...] | None:
        """Return what must go along with a stream that is opened on `stubs`; raises `Refused` as `call` does."""
        return await self._identity.metadata(self.stubs, self.target, deadline)

    def _left(self, deadline: float) -> float:
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise Refused("not-connected", f"{self.target}: no time left to send it")
        return left

    async def ready(self, deadline: float) -> None:
        """Wait for a live connection, so that what could not be sent is known not to have been sent.

        A deadline that passes while a call waits for its connection looks the same as one that passes while the
        server works. Where attempts fail (a state that lasts until one succeeds), returns after a tenth of a second:
        the call then fails at once with the reason, and a client whose server is dead does not spin.
        """
        loop = asyncio.get_running_loop()
        state = self.channel.get_state(try_to_connect=True)
        while state is not _READY:
            end = min(deadline, loop.time() + _RETRY_S) if state is _FAILED else deadline
            try:
                async with asyncio.timeout_at(end):
                    await self.channel.wait_for_state_change(state)
            except TimeoutError:
                if end < deadline:
                    return
                text = f"{self.target}: no connection in time, nothing was sent"
                raise Refused("not-connected", text) from None
            state = self.channel.get_state(try_to_connect=True)

    async def close(self) -> None:
        """Close the channel; never raises, waits at most half a second."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_S):
                await self.channel.close()
