"""What `--set` means to etcd: every name with its meaning, and the typed values."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

import msgspec

from quorate.harness.core import tuning
from quorate.harness.core.test import UsageError
from quorate.harness.systems.etcd.client.caller import ClientOptions
from quorate.harness.systems.etcd.client.security import Security, read_security
from quorate.harness.systems.given import choice, count, milliseconds, switch, truth

SETTINGS: Final[dict[str, str]] = {
    "reads": "linearizable (default) or serializable: a member answers from what it has applied, possibly stale",
    "lock": "key (default): a key created under a lease; service: etcd's own lock service",
    "lease_ttl": "time to live of a client's lease, whole seconds (default 10s)",
    "heartbeat": "heartbeat interval of the leader (default 100ms)",
    "election": "how long a silent leader is believed in (default 1s)",
    "snapshot_count": "applied entries between two snapshots (default: etcd's)",
    "catchup_entries": "entries kept behind a snapshot for slow followers (default: etcd's; 3.5.14 and later)",
    "compaction_batch": "revisions compacted in one batch (default: etcd's; 3.4 and later)",
    "compaction_sleep": "pause between two batches (default: etcd's 10ms; 3.5.16 and later)",
    "backend_interval": "how long writes are gathered before the store commits them (default: etcd's; 3.4 and later)",
    tuning.SETTING: tuning.ABOUT,
    "quota": "largest size of the store in bytes (default: etcd's)",
    "max_request": "largest request in bytes (default: etcd's 1.5 MiB)",
    "unsafe_no_fsync": "true: never wait for the disk (default false; 3.5 and later; loses data on a power cut)",
    "pre_vote": "true or false (default: etcd's, true from 3.5 on)",
    "args": "more flags for etcd, as in a shell",
    "binary": "path of an etcd of your own on this host",
    "tls": "true: clients and members speak TLS and show certificates, made for the run (default false)",
    "auth": "true: clients need a user and a password (default false)",
    "prefix": "of a cluster that is already there: all keys of the run lie below it (default /quorate/RUN/)",
    "ca": "PEM file: the authority of the servers' certificates; clients then speak TLS",
    "cert": "PEM file: the clients' certificate, with key",
    "key": "PEM file: the key of the clients' certificate",
    "tls_name": "name in the servers' certificates, where it is not the address",
    "user": "name of the clients' user; the password in QUORATE_PASSWORD or password_file",
    "password_file": "file with the password of the clients' user",
    "failpoints": "with a +failpoints build: what is armed at start, as GOFAIL_FAILPOINTS takes it",
}


_PREFIX_LEAST: Final = 2  # "/" alone would be everything


class EtcdSettings(msgspec.Struct, frozen=True):
    """Settings with their types; None leaves the server's own default."""

    client: ClientOptions = ClientOptions()
    heartbeat_ms: int = 100
    election_ms: int = 1000
    snapshot_count: int | None = None
    catchup_entries: int | None = None
    compaction_batch: int | None = None
    compaction_sleep_ms: int | None = None
    backend_interval_ms: int | None = None
    quota: int | None = None
    max_request: int | None = None
    unsafe_no_fsync: bool = False
    pre_vote: bool | None = None
    args: tuple[str, ...] = ()
    binary: str | None = None
    failpoints: str | None = None
    tls: bool = False
    auth: bool = False
    security: Security = Security()
    prefix: str | None = None


def read_settings(given: Mapping[str, str]) -> EtcdSettings:
    """Take what is etcd's out of the settings of a run; raises `UsageError` for a value that makes no sense.

    Names that are not in `SETTINGS` belong to the workload or the faults and are left alone.
    """
    heartbeat, election = milliseconds(given, "heartbeat", 100), milliseconds(given, "election", 1000)
    if election < 5 * heartbeat or election > 50_000:  # noqa: PLR2004 - etcd's own rules
        raise UsageError(
            f"election={election}ms must be 5 times heartbeat={heartbeat}ms at least, 50s at most"
        )
    try:
        args = tuple(shlex.split(given.get("args", "")))
    except ValueError as error:
        raise UsageError(f"args={given['args']}: {error}") from error
    return EtcdSettings(
        client=ClientOptions(
            serializable=choice(given, "reads", ("linearizable", "serializable")) == "serializable",
            lease_ttl_s=max(1, milliseconds(given, "lease_ttl", 10_000) // 1000),
            lock_service=choice(given, "lock", ("key", "service")) == "service",
        ),
        heartbeat_ms=heartbeat,
        election_ms=election,
        snapshot_count=count(given, "snapshot_count"),
        catchup_entries=count(given, "catchup_entries"),
        compaction_batch=count(given, "compaction_batch"),
        compaction_sleep_ms=_optional(given, "compaction_sleep"),
        backend_interval_ms=_optional(given, "backend_interval"),
        quota=count(given, "quota"),
        max_request=count(given, "max_request"),
        unsafe_no_fsync=truth(given, "unsafe_no_fsync") or False,
        pre_vote=truth(given, "pre_vote"),
        args=args,
        binary=given.get("binary"),
        failpoints=given.get("failpoints"),
        tls=switch(given, "tls"),
        auth=switch(given, "auth"),
        security=read_security(given),
        prefix=_prefix(given),
    )


def _optional(given: Mapping[str, str], name: str) -> int | None:
    return milliseconds(given, name, 1) if name in given else None


def _prefix(given: Mapping[str, str]) -> str | None:
    prefix = given.get("prefix")
    if prefix is not None and (not prefix.isascii() or len(prefix) < _PREFIX_LEAST):
        raise UsageError(f"prefix={prefix}: give a prefix of its own, as in /quorate-test/")
    return prefix
