"""What every capability of the Consul client stands on: servers, deadlines, HTTP calls, and their evidence."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import msgspec

from harness.outcome import OutcomeError, Reply, Unknown
from harness.systems.consul.outcomes import MOVES_ON, outcome_of_error, outcome_of_reply

PORT = 8500
Reads = Literal["default", "consistent", "stale"]


class ClientOptions(msgspec.Struct, frozen=True):
    """How a client reads, and how its sessions behave (seconds; Consul allows a time to live from 10 s)."""

    reads: Reads = "default"
    session_ttl_s: int = 10
    lock_delay_s: float = 0.0


class Answer(msgspec.Struct, frozen=True):
    """A successful answer: its body, and Consul's own evidence of how fresh it is."""

    body: Any
    index: int | None
    last_contact_ms: int | None
    known_leader: bool | None


class Caller:
    """One logical client over one or several servers, one operation at a time, no retries, no redirects.

    With several servers it talks to one and moves on after an error that says another may do better.
    """

    def __init__(
        self, name: str, addresses: Mapping[str, str], timeout_s: float, options: ClientOptions
    ) -> None:
        self.name = name
        self.options = options
        self.timeout_s = timeout_s
        self._members = list(addresses)
        self._urls = [f"http://{address}:{PORT}" for address in addresses.values()]
        self._at = 0
        # A connector of its own: logical clients must not share connections.
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=4, force_close=False),
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    @property
    def member(self) -> str:
        """The node that the next call goes to."""
        return self._members[self._at]

    async def call(
        self, method: str, path: str, body: Any = None, *, missing_is_none: bool = False
    ) -> Answer:
        """Make one call; raises `Refused` or `Unknown` by the outcome table."""
        data = None if body is None else msgspec.json.encode(body)
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                self._http.request(
                    method, self._urls[self._at] + path, data=data, allow_redirects=False
                ) as response,
            ):
                content = await response.read()
                return self._answer(response, content, missing_is_none=missing_is_none)
        except OutcomeError as error:
            self._move_on(error.code)
            raise
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            outcome = outcome_of_error(error)
            self._move_on(outcome.code)
            raise outcome from error

    def _answer(self, response: aiohttp.ClientResponse, content: bytes, *, missing_is_none: bool) -> Answer:
        status = response.status
        missing = status == 404 and missing_is_none and not content.strip()  # noqa: PLR2004 - HTTP's own number
        if status != 200 and not missing:  # noqa: PLR2004
            raise outcome_of_reply(status, content.decode(errors="replace"))
        headers = response.headers
        try:
            body = msgspec.json.decode(content) if content.strip() and not missing else None
        except msgspec.DecodeError as error:
            raise Unknown("bad-reply", f"HTTP {status} with no JSON: {content[:200]!r}") from error
        return Answer(
            body=body,
            index=_number(headers.get("X-Consul-Index")),
            last_contact_ms=_number(headers.get("X-Consul-LastContact")),
            known_leader=None
            if "X-Consul-KnownLeader" not in headers
            else headers["X-Consul-KnownLeader"] == "true",
        )

    def _move_on(self, code: str) -> None:
        if code in MOVES_ON:
            self._at = (self._at + 1) % len(self._urls)

    async def txn(self, operations: Sequence[Mapping[str, Any]], *, query: str = "") -> list[dict[str, Any]]:
        """Run operations on keys atomically; returns the `KV` object of each result (reads and writes alike)."""
        answer = await self.call("PUT", f"/v1/txn{query}", [{"KV": operation} for operation in operations])
        return [result["KV"] for result in (answer.body or {}).get("Results") or []]

    def reply(self, value: Any = None, version: int | None = None, session: str | None = None) -> Reply:
        """Make the reply of an operation; its version is the key's ModifyIndex."""
        return Reply(value, version, self.member, session)

    async def close(self) -> None:
        """Close the connections; never raises."""
        await self._http.close()


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def encode(value: Any) -> str:
    """A value as a transaction carries it: JSON in base64."""
    return base64.b64encode(msgspec.json.encode(value)).decode()


def decode(entry: Mapping[str, Any] | None) -> Any:
    """The value of a KV entry; None where there is none."""
    if entry is None or entry.get("Value") is None:
        return None
    return msgspec.json.decode(base64.b64decode(entry["Value"]))


def path(kind: str, key: str) -> str:
    """Where a capability keeps a key; each has a prefix of its own."""
    return f"quorate/{kind}/{key}"


def url_of(kind: str, key: str) -> str:
    """The same, within a URL."""
    return "/v1/kv/" + quote(path(kind, key))
