"""What `--set` means to ZooKeeper: every name with its meaning, and the typed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast, get_args

import msgspec

from quorate.harness.core import tuning
from quorate.harness.core.test import UsageError
from quorate.harness.systems.given import choice, count, milliseconds
from quorate.harness.systems.zookeeper.client.caller import ClientOptions, Reads
from quorate.harness.systems.zookeeper.client.kazoo_session import Recipes

SETTINGS: Final[dict[str, str]] = {
    "reads": "sync (each read comes after a sync) or plain (what the server asked has) [sync]",
    "recipes": "own, or kazoo: locks, queues, counters, elections by kazoo's recipes; kazoo-retrying: with its retries",
    "tick": "tickTime, the unit of the servers' timeouts [500ms]",
    "sync_limit": "ticks after which a silent follower or leader is dropped [4]",
    "init_limit": "ticks that a follower may take to come up to date [20]",
    "session": "time to live of sessions; the servers take from 2 ticks to 1m [15s]",
    "snap_count": "transactions between two snapshots [ZooKeeper's own]",
    "commit_log": "transactions kept in memory for followers that come back [ZooKeeper's own 500; 3.6 and later]",
    tuning.SETTING: tuning.ABOUT,
    "container_check": "how often the servers remove expired containers and TTL nodes [1m]",
    "force_sync": "yes (ZooKeeper's own) or no: acknowledge before the transaction log is on the disk [yes]",
    "enforce_quota": "yes or no (ZooKeeper's own): refuse what goes over a quota, from 3.7 on [no]",
    "heap": "the servers' -Xmx [256m]",
    "jars": "folder with the jars of a ZooKeeper of your own on this host",
}
_SESSION_MOST_MS: Final = 60_000


class ZooKeeperSettings(msgspec.Struct, frozen=True):
    """Settings with their types; None leaves the server's own default."""

    client: ClientOptions = ClientOptions()
    recipes: Recipes = "own"
    tick_ms: int = 500
    sync_limit: int = 4
    init_limit: int = 20
    snap_count: int | None = None
    commit_log: int | None = None
    container_check_ms: int = 60_000
    force_sync: bool = True
    enforce_quota: bool = False
    heap: str = "256m"
    jars: str | None = None


def read_settings(given: Mapping[str, str]) -> ZooKeeperSettings:
    """Take what is ZooKeeper's out of the settings of a run; raises `UsageError` for what makes no sense."""
    reads = choice(given, "reads", get_args(Reads))
    recipes = choice(given, "recipes", get_args(Recipes))
    tick_ms = milliseconds(given, "tick", 500)
    session_ms = milliseconds(given, "session", 15_000)
    if not 2 * tick_ms <= session_ms <= _SESSION_MOST_MS:
        raise UsageError(f"session={session_ms}ms: give 2 ticks ({2 * tick_ms}ms) to {_SESSION_MOST_MS}ms")
    sync_limit = count(given, "sync_limit") or 4
    return ZooKeeperSettings(
        client=ClientOptions(reads=cast("Reads", reads), session_ms=session_ms, sync_ms=tick_ms * sync_limit),
        recipes=cast("Recipes", recipes),
        tick_ms=tick_ms,
        sync_limit=sync_limit,
        init_limit=count(given, "init_limit") or 20,
        snap_count=count(given, "snap_count"),
        commit_log=count(given, "commit_log"),
        container_check_ms=milliseconds(given, "container_check", 60_000),
        force_sync=choice(given, "force_sync", ("yes", "no")) == "yes",
        enforce_quota=choice(given, "enforce_quota", ("no", "yes")) == "yes",
        heap=given.get("heap", "256m"),
        jars=given.get("jars"),
    )
