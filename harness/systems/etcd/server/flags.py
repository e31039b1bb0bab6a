"""The command line of an etcd server, as each release from 3.3 on understands it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from quorate.harness.systems.etcd.server.settings import EtcdSettings
from quorate.harness.systems.etcd.server.tuning import CATCHUP_SINCE, SLEEP_SINCE, ZAP_SINCE

CLIENT_PORT: Final = 2379
PEER_PORT: Final = 2380


class Place(msgspec.Struct, frozen=True):
    """Where a member lives: its name, its address, and its directories on the node."""

    name: str
    address: str
    binary: str
    data: str
    scheme: str = "http"

    @property
    def client_url(self) -> str:
        """Where clients reach it."""
        return f"{self.scheme}://{self.address}:{CLIENT_PORT}"

    @property
    def peer_url(self) -> str:
        """Where the other members reach it."""
        return f"{self.scheme}://{self.address}:{PEER_PORT}"


def arguments(
    here: Place,
    members: Sequence[Place],
    release: tuple[int, ...],
    settings: EtcdSettings,
    *,
    token: str,
    joining: bool = False,
    more: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Return argv for the member `here` of a cluster of `members`; `release` as numbers, `joining` a formed cluster.

    `more` are flags by name, without dashes.
    """
    flags = {
        "name": here.name,
        "data-dir": here.data,
        "listen-client-urls": here.client_url,
        "advertise-client-urls": here.client_url,
        "listen-peer-urls": here.peer_url,
        "initial-advertise-peer-urls": here.peer_url,
        "initial-cluster": ",".join(f"{member.name}={member.peer_url}" for member in members),
        "initial-cluster-state": "existing" if joining else "new",
        "initial-cluster-token": token,
        "heartbeat-interval": str(settings.heartbeat_ms),
        "election-timeout": str(settings.election_ms),
        **_by_release(release, settings),
        **(more or {}),
    }
    optional = {
        "snapshot-count": settings.snapshot_count,
        "quota-backend-bytes": settings.quota,
        "max-request-bytes": settings.max_request,
    }
    flags |= {name: str(value) for name, value in optional.items() if value is not None}
    return (here.binary, *(f"--{name}={value}" for name, value in flags.items()), *settings.flags)


def _by_release(release: tuple[int, ...], settings: EtcdSettings) -> dict[str, str]:
    """Flags that came, or lost their prefix `experimental-`, with a release."""
    minor = release[:2]
    flags: dict[str, str] = {}
    if minor >= ZAP_SINCE:
        flags |= {"logger": "zap", "log-outputs": "stderr"}
        if settings.pre_vote is not None:
            flags["pre-vote"] = str(settings.pre_vote).lower()
        if settings.compaction_batch is not None:
            stem = "" if minor >= (3, 6) else "experimental-"
            flags[f"{stem}compaction-batch-limit"] = str(settings.compaction_batch)
        if settings.backend_interval_ms is not None:
            flags["backend-batch-interval"] = f"{settings.backend_interval_ms}ms"
    if minor >= (3, 5) and settings.unsafe_no_fsync:
        flags["unsafe-no-fsync"] = "true"
    stem = "" if minor >= (3, 6) else "experimental-"
    if release >= CATCHUP_SINCE and settings.catchup_entries is not None:
        flags[f"{stem}snapshot-catchup-entries"] = str(settings.catchup_entries)
    if release >= SLEEP_SINCE and settings.compaction_sleep_ms is not None:
        flags[f"{stem}compaction-sleep-interval"] = f"{settings.compaction_sleep_ms}ms"
    return flags
