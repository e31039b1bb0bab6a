"""What `--set` means to ZooKeeper."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from quorate.harness.core.duration import exact_duration
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.settings import Milliseconds, about
from quorate.harness.systems.access import UserSettings, read_password, read_pems
from quorate.harness.systems.values import Sizes
from quorate.harness.systems.zookeeper.client.access import Access
from quorate.harness.systems.zookeeper.client.caller import ClientOptions, Reads
from quorate.harness.systems.zookeeper.client.kazoo_session import Recipes

_SESSION_MOST_MS: Final = 60_000
_VALUE_MOST: Final = 1_000_000  # bytes: jute.maxbuffer, 1 MiB, ends the connection


class ZooKeeperSettings(UserSettings, frozen=True):
    """Settings of ZooKeeper; None leaves the server's own default."""

    reads: Annotated[
        Reads,
        about(
            "what a read shows",
            choices={"sync": "each read comes after a sync", "plain": "what the server asked has"},
        ),
    ] = "sync"
    recipes: Annotated[
        Recipes,
        about(
            "whose recipes of locks, queues, counters and elections",
            choices={"own": "quorate's", "kazoo": "kazoo's", "kazoo-retrying": "kazoo's with its retries"},
        ),
    ] = "own"
    tick_ms: Annotated[Milliseconds, about("tickTime, the unit of the servers' timeouts")] = msgspec.field(
        default=500, name="tick"
    )
    sync_limit: Annotated[int, about("ticks after which a silent follower or leader is dropped", ge=1)] = 4
    init_limit: Annotated[int, about("ticks that a follower may take to come up to date", ge=1)] = 20
    session_ms: Annotated[
        Milliseconds, about("time to live of sessions; the servers take from 2 ticks to 1m")
    ] = msgspec.field(default=15_000, name="session")
    snap_count: (
        Annotated[int, about("transactions between two snapshots", ge=1, unset="ZooKeeper's own")] | None
    ) = None
    commit_log: (
        Annotated[
            int,
            about(
                "transactions kept in memory for followers that come back; 3.6 and later",
                ge=1,
                unset="ZooKeeper's own, 500",
            ),
        ]
        | None
    ) = None
    container_check_ms: Annotated[
        Milliseconds, about("how often the servers remove expired containers and TTL nodes")
    ] = msgspec.field(default=60_000, name="container_check")
    force_sync: Annotated[
        bool,
        about("acknowledge only what is in the transaction log on the disk, as ZooKeeper's own default does"),
    ] = True
    enforce_quota: Annotated[bool, about("refuse what goes over a quota, from 3.7 on")] = False
    heap: Annotated[str, about("the servers' -Xmx")] = "256m"
    auth: Annotated[bool, about("clients log in by SASL, with DIGEST-MD5; nodes are their makers' alone")] = (
        False
    )
    jars: (
        Annotated[str, about("folder with the jars of a ZooKeeper of your own on this host", unset="none")]
        | None
    ) = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a session that the servers would not grant."""
        _ = self.sizes
        if not 2 * self.tick_ms <= self.session_ms <= _SESSION_MOST_MS:
            given, least = (exact_duration(one / 1000) for one in (self.session_ms, 2 * self.tick_ms))
            raise ValueError(f"session={given}: give 2 ticks ({least}) to {_SESSION_MOST_MS // 1000}s")
        if self.recipes != "own" and (self.tls or self.ca):
            raise ValueError(f"recipes={self.recipes}: kazoo's client speaks plain text here; leave TLS off")

    @property
    def sizes(self) -> Sizes:
        """How long values are."""
        return Sizes.of(self.value_size, _VALUE_MOST)

    @property
    def client(self) -> ClientOptions:
        """What clients need to know of it."""
        return ClientOptions(
            reads=self.reads,
            session_ms=self.session_ms,
            sync_ms=self.tick_ms * self.sync_limit,
            sizes=self.sizes,
        )


def read_access(settings: ZooKeeperSettings) -> Access:
    """Return how a cluster that is already there lets clients in; raises `UsageError` for files and roots amiss."""
    root = f"/{settings.prefix.strip('/')}" if settings.prefix is not None else ""
    if root == "/":
        raise UsageError(
            f"--set prefix={settings.prefix}: give a node for the run alone, as in /quorate-test"
        )
    return Access(pems=read_pems(settings), user=settings.user, password=read_password(settings), root=root)
