"""What each error of Consul or its transport means for the operation: data, with one test a row on a real server.

The first row that matches decides. `fail` stands only where the request certainly was not and will not be applied.
Sources: agent/consul/rpc.go (`forward` gives up before anything is sent where no leader is known, and repeats a call
only where no state can have changed), agent/pool/pool.go (errors while getting a connection come before the request
is written), agent/http.go for statuses, and the errors of hashicorp/raft ("leadership lost while committing log": the
entry may yet be committed). The tests are in tests/cluster/consul/test_consul_outcomes.py.
"""

from __future__ import annotations

from typing import Final, Literal

import aiohttp
import msgspec

from quorate.harness.core.outcome import ANSWERED, Refused, Unknown

Meaning = Literal["fail", "info"]


class Row(msgspec.Struct, frozen=True):
    """An HTTP `status` (0: any) with a part of its body mean this `outcome`.

    `elsewhere`: another may do better. `answered`: the refusal is the service at work, and counts as served.
    """

    status: int
    text: str
    outcome: Meaning
    code: str
    why: str
    elsewhere: bool = False
    answered: bool = False


TABLE: Final[tuple[Row, ...]] = (
    # Certain: refused before the entry was appended, or before the request was sent to the leader.
    Row(500, "No cluster leader", "fail", "no-leader", "no leader was known: it was never forwarded", True),
    Row(500, "leader not found in server lookup", "fail", "no-leader", "it was never forwarded", True),
    Row(
        500, "rpc error getting client", "fail", "no-leader", "no connection to the leader: never sent", True
    ),
    Row(500, "node is not the leader", "fail", "not-leader", "raft refused before it appended", True),
    Row(500, "leadership transfer in progress", "fail", "not-leader", "raft refused before appending", True),
    Row(500, "timed out enqueuing", "fail", "overloaded", "it never came into raft's queue", True),
    Row(
        500,
        "ot ready to serve consistent reads",
        "fail",
        "not-ready",
        "a new leader: only reads say so",
        True,
    ),
    # Open: it had been forwarded or proposed.
    Row(500, "leadership lost", "info", "leadership-lost", "proposed, and may yet be committed", True),
    Row(500, "EOF", "info", "connection-lost", "the link between servers broke after it was forwarded", True),
    Row(500, "i/o timeout", "info", "server-timeout", "the leader did not answer the server in time", True),
    Row(500, "rpc error", "info", "rpc-error", "between the servers something broke", True),
    # Decided at the request's place in the log, or refused with a reason before that.
    Row(
        500,
        "invalid session",
        "fail",
        "session-invalid",
        "the session is gone: checked when applied",
        answered=True,
    ),
    Row(
        409,
        "invalid session",
        "fail",
        "session-invalid",
        "the session is gone: checked when applied",
        answered=True,
    ),
    Row(409, "lock is already held", "fail", "held", "another session holds it: rolled back", answered=True),
    Row(
        409,
        "lock delay",
        "fail",
        "lock-delay",
        "its last holder's session was lost: checked before the log",
        answered=True,
    ),
    Row(409, "lock isn't held", "fail", "not-held", "not held by this session: rolled back", answered=True),
    Row(409, "unknown KV verb", "fail", "invalid", "the release has no such operation: rolled back"),
    Row(409, "Permission denied", "fail", "denied", "refused before anything was proposed"),
    Row(409, "", "fail", "conflict", "the transaction was rolled back", answered=True),
    Row(400, "", "fail", "invalid", "refused before anything was proposed"),
    Row(403, "", "fail", "denied", "refused before anything was proposed"),
    Row(404, "", "fail", "not-found", "it does not exist", answered=True),
    Row(405, "", "fail", "invalid", "refused before anything was proposed"),
    Row(413, "", "fail", "too-large", "refused before anything was proposed"),
    Row(429, "", "fail", "too-many-requests", "refused before anything was proposed"),
    Row(0, "", "info", "unknown-error", "nothing certain is known"),
)


def classify(status: int, body: str) -> Row:
    """Return the first row that matches."""
    return next(row for row in TABLE if row.status in {status, 0} and row.text in body)


def outcome_of_reply(status: int, body: str) -> Refused | Unknown:
    """Turn an answer that is not a success into the outcome to raise; status and words are kept."""
    row = classify(status, body)
    said = f"HTTP {status}: {body.strip()[:500]}"
    if row.outcome == "info":
        return Unknown(row.code, said)
    return Refused(row.code, said, answer=ANSWERED if row.answered else "")


def outcome_of_error(error: BaseException) -> Refused | Unknown:
    """Turn a transport's error into the outcome to raise: never connected is certain, everything later is not."""
    match error:
        case aiohttp.ConnectionTimeoutError() | aiohttp.ClientConnectorError():
            return Refused("not-connected", str(error) or type(error).__name__)
        case TimeoutError():
            return Unknown("timeout", "no answer in time: it may yet be applied")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError():
            return Unknown("connection-lost", str(error) or type(error).__name__)
        case _:
            return Unknown("unknown-error", f"{type(error).__name__}: {error}")


MOVES_ON: Final = frozenset(
    {row.code for row in TABLE if row.elsewhere} | {"not-connected", "timeout", "connection-lost"}
)
