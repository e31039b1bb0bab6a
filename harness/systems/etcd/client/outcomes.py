"""What each error of etcd or its transport means for the operation: data, with one test a row on a real server.

The first row that matches decides. `fail` stands only where the request certainly was not and will not be executed;
whatever is not in the table is `info`. Sources: etcd's api/v3rpc/rpctypes/error.go for the texts,
server/etcdserver/v3_server.go and apply/quota.go for whether a proposal had been made when they are raised, the gRPC
status specification, and the tests in tests/cluster/etcd/test_etcd_outcomes.py.
"""

from __future__ import annotations

from typing import Final, Literal

import grpc
import msgspec

from quorate.harness.core.outcome import ANSWERED, Refused, Unknown

Meaning = Literal["fail", "info"]


class Row(msgspec.Struct, frozen=True):
    """`status` and a part of its `text` (empty: any) mean this `outcome`; `code` names it in histories.

    `elsewhere` says that another member may do better: a client that knows several moves on. `answered` says that the
    refusal is the service at work: it looked at its state, and availability counts it as served.
    """

    status: str
    text: str
    outcome: Meaning
    code: str
    why: str
    elsewhere: bool = False
    answered: bool = False


TABLE: Final[tuple[Row, ...]] = (
    # Never sent.
    Row("UNAVAILABLE", "failed to connect to all addresses", "fail", "not-connected", "never sent", True),
    Row("UNAVAILABLE", "etcdserver: no leader", "fail", "no-leader", "answered before any proposal", True),
    Row("UNAVAILABLE", "etcdserver: not capable", "fail", "not-capable", "answered before any proposal"),
    Row("UNAVAILABLE", "not supported for learner", "fail", "learner", "answered before any proposal", True),
    # Sent, and the answer lost or uncertain.
    Row(
        "UNAVAILABLE",
        "etcdserver: leader changed",
        "info",
        "leader-changed",
        "the read or proposal was out",
        True,
    ),
    Row(
        "UNAVAILABLE", "etcdserver: request timed out", "info", "server-timeout", "the proposal was out", True
    ),
    Row(
        "UNAVAILABLE", "etcdserver: server stopped", "info", "server-stopped", "the proposal may be out", True
    ),
    Row("UNAVAILABLE", "", "info", "connection-lost", "the stream ended after the request was sent", True),
    Row("DEADLINE_EXCEEDED", "", "info", "timeout", "no answer in time: it may yet be executed", True),
    Row("CANCELLED", "", "info", "cancelled", "the call was given up on either side", True),
    # Refused with a reason.
    Row(
        "OUT_OF_RANGE",
        "has been compacted",
        "fail",
        "compacted",
        "checked before anything is applied",
        answered=True,
    ),
    Row(
        "OUT_OF_RANGE",
        "future revision",
        "fail",
        "future-revision",
        "checked before anything is applied",
        answered=True,
    ),
    Row("OUT_OF_RANGE", "", "fail", "out-of-range", "checked before anything is applied", answered=True),
    Row(
        "NOT_FOUND",
        "lease not found",
        "fail",
        "lease-not-found",
        "checked before anything is applied",
        answered=True,
    ),
    Row("NOT_FOUND", "", "fail", "not-found", "checked before anything is applied", answered=True),
    Row(
        "INVALID_ARGUMENT", "authentication failed", "fail", "unauthenticated", "checked before the proposal"
    ),
    Row("INVALID_ARGUMENT", "user name is empty", "fail", "unauthenticated", "checked before the proposal"),
    Row("INVALID_ARGUMENT", "auth store is old", "fail", "auth-changed", "checked before the proposal"),
    Row("INVALID_ARGUMENT", "request is too large", "fail", "too-large", "checked before the proposal"),
    Row("INVALID_ARGUMENT", "", "fail", "invalid", "checked before the proposal"),
    Row(
        "FAILED_PRECONDITION",
        "not supported for learner",
        "fail",
        "learner",
        "answered before any proposal",
        True,
    ),
    Row("FAILED_PRECONDITION", "", "fail", "precondition", "checked before anything is applied"),
    Row("UNIMPLEMENTED", "", "fail", "unimplemented", "the release has no such method"),
    Row("PERMISSION_DENIED", "", "fail", "denied", "checked before the proposal"),
    Row("UNAUTHENTICATED", "", "fail", "unauthenticated", "checked before the proposal"),
    # The lock and election services pass on what their inner client said, untranslated.
    Row(
        "UNKNOWN",
        "requested lease not found",
        "fail",
        "lease-not-found",
        "the inner transaction was refused",
        answered=True,
    ),
    Row(
        "UNKNOWN", "election: no leader", "fail", "nobody-elected", "a read found no candidate", answered=True
    ),
    Row(
        "UNKNOWN",
        "election: not leader",
        "fail",
        "not-elected",
        "the inner compare was refused",
        answered=True,
    ),
    # A leader that is handing over takes no proposals; raft says so before it appends.
    Row("UNKNOWN", "raft proposal dropped", "fail", "dropped", "raft did not take it up", True),
    # The server does not translate this one on its way out, whatever its table of errors says.
    Row(
        "UNKNOWN", "etcdserver: too many requests", "fail", "too-many-requests", "checked before the proposal"
    ),
    Row(
        "RESOURCE_EXHAUSTED", "too many requests", "fail", "too-many-requests", "checked before the proposal"
    ),
    # gRPC's own limit in the server: larger than etcd's limit plus its 512 KiB of allowance.
    Row(
        "RESOURCE_EXHAUSTED",
        "grpc: received message larger",
        "fail",
        "too-large",
        "the server never decoded it",
    ),
    # The same text comes from before the proposal and from the applier, which applies the write and then says so
    # (quotaApplierV3 in apply/quota.go). So a write that met the quota may be there.
    Row(
        "RESOURCE_EXHAUSTED",
        "database space exceeded",
        "info",
        "no-space",
        "the applier writes, then refuses",
    ),
    # The reply was larger than this client's limit: it had been executed.
    Row("RESOURCE_EXHAUSTED", "", "info", "reply-too-large", "it was executed"),
    Row("*", "", "info", "unknown-error", "nothing certain is known"),
)

# After these a token is of no use any more.
RENEWS: Final = frozenset({"unauthenticated", "auth-changed"})


def classify(status: str, text: str) -> Row:
    """Return the first row that matches the status name and its text."""
    return next(row for row in TABLE if row.status in {status, "*"} and row.text in text)


def outcome_of(error: grpc.aio.AioRpcError) -> tuple[Refused | Unknown, Row]:
    """Turn a failed call into the outcome to raise and the row that says so; status and text are kept."""
    status, text = error.code().name, error.details() or ""
    row = classify(status, text)
    said = f"{status}: {text}"
    if row.outcome == "info":
        return Unknown(row.code, said), row
    return Refused(row.code, said, answer=ANSWERED if row.answered else ""), row
