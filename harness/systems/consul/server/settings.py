"""What `--set` means to Consul."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from quorate.harness.core.outcome import UsageError
from quorate.harness.core.settings import Seconds, WholeSeconds, about
from quorate.harness.systems.access import AccessSettings, read_pems, read_secret
from quorate.harness.systems.consul.client.access import Access
from quorate.harness.systems.consul.client.caller import ClientOptions, Reads
from quorate.harness.systems.values import Sizes

# On two, Go's scheduler mostly ends a deposed leader's lease before it looks at a request: see docs/systems/consul.md.
_PROCESSORS: Final = 8
TOKEN: Final = "CONSUL_HTTP_TOKEN"  # noqa: S105 - the name of a variable, Consul's own
_VALUE_MOST: Final = 350_000  # bytes: a transaction ends at 512 KiB, in base64


class ConsulSettings(AccessSettings, frozen=True):
    """Settings of Consul; None leaves the server's own default."""

    reads: Annotated[
        Reads,
        about(
            "how clients read",
            choices={
                "default": "as users run it",
                "consistent": "what a quorum confirms",
                "stale": "what the server asked has",
            },
        ),
    ] = "default"
    raft_multiplier: Annotated[int, about("scales raft's timeouts, 1 (fastest) to 10", ge=1, le=10)] = 1
    rpc_hold_s: Annotated[
        Seconds, about("how long a server without a leader keeps a request before it refuses", ge=0)
    ] = msgspec.field(default=7.0, name="rpc_hold")
    cleanup_dead_servers: Annotated[
        bool, about("whether autopilot removes servers that it thinks dead, as Consul's own default does")
    ] = True
    session_ttl_s: Annotated[WholeSeconds, about("time to live of sessions, 10s or more", ge=10)] = (
        msgspec.field(default=10, name="session_ttl")
    )
    lock_delay_s: Annotated[Seconds, about("how long a lock that was lost cannot be taken", ge=0)] = (
        msgspec.field(default=0.0, name="lock_delay")
    )
    session_checks: Annotated[
        str,
        about(
            "when sessions end early",
            choices={"none": "never", "serf": "with the health of their server, Consul's own default"},
        ),
    ] = "none"
    spare_connections: Annotated[
        int,
        about("idle connections that a client of one server keeps to it, as users' pools do", ge=0, le=64),
    ] = 8
    processors: Annotated[
        int,
        about(
            "how much of a server runs at once (GOMAXPROCS), whatever the machine; 0: as many as it has",
            ge=0,
            le=256,
        ),
    ] = _PROCESSORS
    snapshot_threshold: (
        Annotated[int, about("entries of raft's log between two snapshots", ge=1, unset="Consul's own")]
        | None
    ) = None
    trailing_logs: (
        Annotated[
            int, about("entries of raft's log that a snapshot leaves in it", ge=1, unset="Consul's own")
        ]
        | None
    ) = None
    auth: Annotated[
        bool, about("access lists that deny by default; clients have a token with the rights they need")
    ] = False
    token_file: (
        Annotated[str, about(f"file with the clients' token, which may stand in {TOKEN} too", unset="none")]
        | None
    ) = None
    binary: Annotated[str, about("path of a consul of your own on this host", unset="none")] | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for values that Consul would not take."""
        _ = self.sizes

    @property
    def sizes(self) -> Sizes:
        """How long values are."""
        return Sizes.of(self.value_size, _VALUE_MOST)

    @property
    def client(self) -> ClientOptions:
        """What clients need to know of it."""
        return ClientOptions(
            spare_connections=self.spare_connections,
            reads=self.reads,
            session_ttl_s=self.session_ttl_s,
            lock_delay_s=self.lock_delay_s,
            serf_check=self.session_checks == "serf",
            sizes=self.sizes,
        )


def read_access(settings: ConsulSettings) -> Access:
    """Return how a cluster that is already there lets clients in; raises `UsageError` for files and prefixes amiss."""
    prefix = f"{settings.prefix}/".replace("//", "/").lstrip("/") if settings.prefix is not None else ""
    if settings.prefix is not None and not prefix:
        raise UsageError(
            f"--set prefix={settings.prefix}: give a prefix for the run alone, as in quorate-test/"
        )
    token = read_secret("token_file", settings.token_file, TOKEN)
    return Access(pems=read_pems(settings), token=token, prefix=prefix)
