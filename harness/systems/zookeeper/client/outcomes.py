"""What each error of ZooKeeper or its transport means for the operation: data, with one test a row on a real server.

Error codes are KeeperException's. Those that a server answers were decided when the request reached its place in the
order (PrepRequestProcessor), or before it was given one, so the request certainly changed nothing. Everything that
ends without an answer is open. The tests are in tests/cluster/zookeeper/test_zookeeper_outcomes.py.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from quorate.harness.core.outcome import ANSWERED, Refused, Unknown

Meaning = Literal["fail", "info"]
NOT_FOUND: Final = -101
EXPIRED: Final = -112
MOVED: Final = -118
DENIED: Final = "not-authenticated"


class Row(msgspec.Struct, frozen=True):
    """Error number `err` of a reply means this `outcome`; `code` names it in histories.

    `answered` says that the refusal is the service at work: availability counts it as served.
    """

    err: int
    outcome: Meaning
    code: str
    why: str
    answered: bool = False


TABLE: Final[tuple[Row, ...]] = (
    Row(NOT_FOUND, "fail", "not-found", "no such node when the request was ordered", answered=True),
    Row(-110, "fail", "exists", "the node existed when the request was ordered", answered=True),
    Row(-103, "fail", "bad-version", "the version had moved when the request was ordered", answered=True),
    Row(-111, "fail", "not-empty", "the node had children", answered=True),
    Row(-108, "fail", "no-children", "ephemeral nodes have no children", answered=True),
    Row(-102, "fail", "denied", "refused by the access list"),
    Row(-115, "fail", DENIED, "the login failed"),
    Row(-124, "fail", DENIED, "the server wants a login before anything else"),
    Row(
        EXPIRED,
        "fail",
        "session-expired",
        "the session had ended before the request was ordered",
        answered=True,
    ),
    Row(
        MOVED, "fail", "session-moved", "the session lives on another server by now; the request was dropped"
    ),
    Row(-119, "fail", "read-only", "the server has no quorum and takes no writes"),
    Row(-120, "fail", "ephemeral-on-local", "a local session makes no ephemeral nodes"),
    Row(-121, "fail", "no-watch", "the watch does not exist", answered=True),
    Row(-6, "fail", "unimplemented", "the release has no such request"),
    Row(-8, "fail", "invalid", "the request makes no sense"),
    Row(-114, "fail", "invalid", "the access list makes no sense"),
    # The same number from before the request is ordered (it cannot be read) and from after it was applied (its answer
    # cannot be put together: the last "catch" of FinalRequestProcessor).
    Row(-5, "info", "marshalling", "the server could not read the request, or not write its answer"),
    Row(-2, "fail", "rolled-back", "another request of the same transaction failed", answered=True),
    Row(-125, "fail", "over-quota", "checked before anything is changed"),
    Row(-127, "fail", "throttled", "dropped before it was ordered"),
    Row(-7, "info", "server-timeout", "the server gave up waiting: it may yet happen"),
    Row(-4, "info", "connection-lost", "the server lost its link to the leader in the midst"),
)
_BY_ERR: Final = {row.err: row for row in TABLE}


def outcome_of(err: int, request: str) -> Refused | Unknown:
    """Turn a reply's error number into the outcome to raise; a number that is not in the table is `info`."""
    row = _BY_ERR.get(err)
    if row is None:
        return Unknown("unknown-error", f"{request}: error {err}")
    said = f"{request}: error {err}: {row.why}"
    if row.outcome == "info":
        return Unknown(row.code, said)
    return Refused(row.code, said, answer=ANSWERED if row.answered else "")


def not_connected(text: str) -> Refused:
    """The request was never sent."""
    return Refused("not-connected", text)


def lost(request: str, text: str) -> Unknown:
    """The connection ended after the request was sent, before its reply came."""
    return Unknown("connection-lost", f"{request}: {text}")


def timeout(request: str) -> Unknown:
    """No reply in time; the request is still under way."""
    return Unknown("timeout", f"{request}: no reply in time, it may yet happen")


def unread(request: str, text: str) -> Refused:
    """Only reads had been sent when it ended: nothing of the operation can ever happen."""
    return Refused("unread", f"{request}: {text}")
