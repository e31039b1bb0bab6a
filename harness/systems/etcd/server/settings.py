"""What `--set` means to etcd."""

from __future__ import annotations

import shlex
from typing import Annotated, Final

import msgspec

from quorate.harness.core.duration import exact_duration
from quorate.harness.core.settings import Milliseconds, WholeSeconds, about
from quorate.harness.systems.access import UserSettings, read_password, read_pems
from quorate.harness.systems.etcd.client.caller import ClientOptions
from quorate.harness.systems.etcd.client.security import Security
from quorate.harness.systems.values import Sizes

_PREFIX_LEAST: Final = 2  # "/" alone would be everything
_OWN: Final = "etcd's own"
_VALUE_MOST: Final = 1_000_000  # bytes: requests end at 1.5 MiB


class EtcdSettings(UserSettings, frozen=True):
    """Settings of etcd and its clients; None leaves the server's own default."""

    reads: Annotated[
        str,
        about(
            "how clients read",
            choices={
                "linearizable": "what a quorum confirms",
                "serializable": "what a member has applied, possibly stale",
            },
        ),
    ] = "linearizable"
    lock: Annotated[
        str,
        about(
            "the recipe of locks",
            choices={"key": "a key created under a lease", "service": "etcd's own lock service"},
        ),
    ] = "key"
    lease_ttl_s: Annotated[WholeSeconds, about("time to live of a client's lease, whole seconds")] = (
        msgspec.field(default=10, name="lease_ttl")
    )
    heartbeat_ms: Annotated[Milliseconds, about("heartbeat interval of the leader")] = msgspec.field(
        default=100, name="heartbeat"
    )
    election_ms: Annotated[Milliseconds, about("how long a silent leader is believed in", le=50_000)] = (
        msgspec.field(default=1000, name="election")
    )
    snapshot_count: (
        Annotated[int, about("applied entries between two snapshots", ge=1, unset=_OWN)] | None
    ) = None
    catchup_entries: (
        Annotated[
            int,
            about("entries kept behind a snapshot for slow followers; 3.5.14 and later", ge=1, unset=_OWN),
        ]
        | None
    ) = None
    compaction_batch: (
        Annotated[int, about("revisions compacted in one batch; 3.4 and later", ge=1, unset=_OWN)] | None
    ) = None
    compaction_sleep_ms: (
        Annotated[
            Milliseconds, about("pause between two batches; 3.5.16 and later", unset="etcd's own, 10ms")
        ]
        | None
    ) = msgspec.field(default=None, name="compaction_sleep")
    backend_interval_ms: (
        Annotated[
            Milliseconds,
            about("how long writes are gathered before the store commits them; 3.4 and later", unset=_OWN),
        ]
        | None
    ) = msgspec.field(default=None, name="backend_interval")
    quota: Annotated[int, about("largest size of the store in bytes", ge=1, unset=_OWN)] | None = None
    max_request: (
        Annotated[int, about("largest request in bytes", ge=1, unset="etcd's own, 1.5 MiB")] | None
    ) = None
    unsafe_no_fsync: Annotated[
        bool, about("never wait for the disk; 3.5 and later; loses data on a power cut")
    ] = False
    pre_vote: Annotated[bool, about("ask before an election", unset="etcd's own, yes from 3.5 on")] | None = (
        None
    )
    args: Annotated[str, about("more flags for etcd, as in a shell", unset="none")] | None = None
    binary: Annotated[str, about("path of an etcd of your own on this host", unset="none")] | None = None
    auth: Annotated[bool, about("clients need a user and a password")] = False
    failpoints: (
        Annotated[
            str,
            about(
                "with a +failpoints build: what is armed at start, as GOFAIL_FAILPOINTS takes it",
                unset="none",
            ),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for values that contradict each other, and for what etcd would not take."""
        _ = self.sizes
        if self.election_ms < 5 * self.heartbeat_ms:
            heartbeat, election = (
                exact_duration(one / 1000) for one in (self.heartbeat_ms, self.election_ms)
            )
            raise ValueError(f"election={election}: give 5 times heartbeat={heartbeat} or more")
        try:
            shlex.split(self.args or "")
        except ValueError as error:
            raise ValueError(f"args={self.args}: {error}") from error
        if self.prefix is not None and (not self.prefix.isascii() or len(self.prefix) < _PREFIX_LEAST):
            raise ValueError(f"prefix={self.prefix}: give a prefix for the run alone, as in /quorate-test/")

    @property
    def sizes(self) -> Sizes:
        """How long values are."""
        return Sizes.of(self.value_size, _VALUE_MOST)

    @property
    def client(self) -> ClientOptions:
        """What clients need to know of it."""
        return ClientOptions(
            serializable=self.reads == "serializable",
            lease_ttl_s=self.lease_ttl_s,
            lock_service=self.lock == "service",
            sizes=self.sizes,
        )

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of `args`, taken apart."""
        return tuple(shlex.split(self.args or ""))


def read_security(settings: EtcdSettings) -> Security:
    """Return how clients prove who they are; raises `UsageError` for a file that is not there and for halves."""
    pems = msgspec.structs.asdict(read_pems(settings))
    return Security(**pems, user=settings.user, password=read_password(settings))
