"""What `--set` means to Consul: every name with its meaning, and the typed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from quorate.harness.core import tuning
from quorate.harness.core.test import UsageError
from quorate.harness.systems.consul.client.caller import MODES, ClientOptions, Reads
from quorate.harness.systems.given import choice, count, seconds

SETTINGS: Final[dict[str, str]] = {
    "reads": "default (as users run it), consistent or stale [default]",
    "raft_multiplier": "scales raft's timeouts, 1 (fastest) to 10 [1]",
    "rpc_hold": "how long a server without a leader keeps a request before it refuses [7s, Consul's own]",
    "cleanup_dead_servers": "yes (Consul's own) or no: whether autopilot removes servers that it thinks dead",
    "session_ttl": "time to live of sessions, from 10s [10s]",
    "lock_delay": "how long a lock that was lost cannot be taken [0s]",
    "session_checks": "serf: sessions end with the health of their server, Consul's own default; none [none]",
    "spare_connections": "idle connections that a client of one server keeps to it, as users' pools do [8]",
    "processors": "how much of a server runs at once (GOMAXPROCS), whatever the machine; 0: as many as it has [8]",
    "snapshot_threshold": "entries of raft's log between two snapshots [Consul's own]",
    "trailing_logs": "entries of raft's log that a snapshot leaves in it [Consul's own]",
    tuning.SETTING: tuning.ABOUT,
    "binary": "path of a consul of your own on this host",
}
_TTL_LEAST_S: Final = 10
_MULTIPLIER_MOST: Final = 10
_SPARES, _SPARES_MOST = 8, 64
# On two, Go's scheduler mostly ends a deposed leader's lease before it looks at a request: see docs/systems/consul.md.
_PROCESSORS, _PROCESSORS_MOST = 8, 256


class ConsulSettings(msgspec.Struct, frozen=True):
    """Settings with their types."""

    client: ClientOptions = ClientOptions()
    raft_multiplier: int = 1
    rpc_hold_s: float = 7.0
    cleanup_dead_servers: bool = True
    processors: int = _PROCESSORS
    snapshot_threshold: int | None = None
    trailing_logs: int | None = None
    binary: str | None = None


def read_settings(given: Mapping[str, str]) -> ConsulSettings:
    """Take what is Consul's out of the settings of a run; raises `UsageError` for a value that makes no sense."""
    reads = choice(given, "reads", tuple(MODES))
    ttl_s = seconds(given, "session_ttl", 10)
    if ttl_s < _TTL_LEAST_S:
        raise UsageError(f"session_ttl={given['session_ttl']}: Consul takes no less than {_TTL_LEAST_S}s")
    spares = count(given, "spare_connections", least=0, most=_SPARES_MOST)
    processors = count(given, "processors", least=0, most=_PROCESSORS_MOST)
    options = ClientOptions(
        spare_connections=_SPARES if spares is None else spares,
        reads=cast("Reads", reads),
        session_ttl_s=round(ttl_s),
        lock_delay_s=seconds(given, "lock_delay", 0),
        serf_check=choice(given, "session_checks", ("none", "serf")) == "serf",
    )
    return ConsulSettings(
        client=options,
        raft_multiplier=count(given, "raft_multiplier", most=_MULTIPLIER_MOST) or 1,
        rpc_hold_s=seconds(given, "rpc_hold", 7),
        cleanup_dead_servers=choice(given, "cleanup_dead_servers", ("yes", "no")) == "yes",
        processors=_PROCESSORS if processors is None else processors,
        snapshot_threshold=count(given, "snapshot_threshold"),
        trailing_logs=count(given, "trailing_logs"),
        binary=given.get("binary"),
    )
