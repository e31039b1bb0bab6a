"""What `--set` means to Consul: every name with its meaning, and the typed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from harness.duration import parse_duration
from harness.systems.consul.caller import MODES, ClientOptions, Reads
from harness.test import UsageError

SETTINGS: Final[dict[str, str]] = {
    "reads": "default (as users run it), consistent or stale [default]",
    "raft_multiplier": "scales raft's timeouts, 1 (fastest) to 10 [1]",
    "rpc_hold": "how long a server without a leader keeps a request before it refuses [7s, Consul's own]",
    "cleanup_dead_servers": "yes (Consul's own) or no: whether autopilot removes servers that it thinks dead",
    "session_ttl": "time to live of sessions, from 10s [10s]",
    "lock_delay": "how long a lock that was lost cannot be taken [0s]",
    "session_checks": "serf: sessions end with the health of their server, Consul's own default; none [none]",
    "spare_connections": "idle connections that a client of one server keeps to it, as users' pools do [8]",
    "binary": "path of a consul of your own on this host",
}
_TTL_LEAST_S: Final = 10
_MULTIPLIER_MOST: Final = 10
_SPARES_MOST: Final = 64


class ConsulSettings(msgspec.Struct, frozen=True):
    """Settings with their types."""

    client: ClientOptions = ClientOptions()
    raft_multiplier: int = 1
    rpc_hold_s: float = 7.0
    cleanup_dead_servers: bool = True
    binary: str | None = None


def read_settings(given: Mapping[str, str]) -> ConsulSettings:
    """Take what is Consul's out of the settings of a run; raises `UsageError` for a value that makes no sense."""
    reads = _choice(given, "reads", tuple(MODES))
    multiplier = given.get("raft_multiplier", "1")
    if not multiplier.isdecimal() or not 1 <= int(multiplier) <= _MULTIPLIER_MOST:
        raise UsageError(f"raft_multiplier={multiplier}: give 1 to {_MULTIPLIER_MOST}")
    ttl_s = _seconds(given, "session_ttl", "10s")
    if ttl_s < _TTL_LEAST_S:
        raise UsageError(f"session_ttl={given['session_ttl']}: Consul takes no less than {_TTL_LEAST_S}s")
    spares = given.get("spare_connections", "8")
    if not spares.isdecimal() or int(spares) > _SPARES_MOST:
        raise UsageError(f"spare_connections={spares}: give 0 to {_SPARES_MOST}")
    options = ClientOptions(
        spare_connections=int(spares),
        reads=cast("Reads", reads),
        session_ttl_s=round(ttl_s),
        lock_delay_s=_seconds(given, "lock_delay", "0s"),
        serf_check=_choice(given, "session_checks", ("none", "serf")) == "serf",
    )
    return ConsulSettings(
        client=options,
        raft_multiplier=int(multiplier),
        rpc_hold_s=_seconds(given, "rpc_hold", "7s"),
        cleanup_dead_servers=_choice(given, "cleanup_dead_servers", ("yes", "no")) == "yes",
        binary=given.get("binary"),
    )


def _choice(given: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    value = given.get(name, known[0])
    if value not in known:
        raise UsageError(f"{name}={value}: consul knows {', '.join(known)}")
    return value


def _seconds(given: Mapping[str, str], name: str, default: str) -> float:
    try:
        return parse_duration(given.get(name, default))
    except ValueError as error:
        raise UsageError(f"{name}={given[name]}: {error}") from error
