"""What every capability of the Consul client stands on: servers, the deadline of one operation, calls, evidence."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote

import aiohttp
import msgspec

from quorate.harness.core.outcome import Broken, OutcomeError, Refused, Reply, Unknown
from quorate.harness.systems import values
from quorate.harness.systems.consul.client.access import Access
from quorate.harness.systems.consul.client.outcomes import MOVES_ON, outcome_of_error, outcome_of_reply
from quorate.harness.systems.consul.operations.spares import Spares
from quorate.harness.systems.values import Sizes

Reads = Literal["default", "consistent", "stale"]
MODES: Final[Mapping[Reads, str]] = {"default": "", "consistent": "consistent", "stale": "stale"}
_OK, _MISSING = 200, 404
_CONNECT_SHARE: Final = 0.8  # of a deadline may pass while connecting, to know what was never sent
_PAUSE_S: Final = 0.05
_KEPT_S: Final = 3600.0  # an idle connection is kept; aiohttp by itself closes it after 15 s


class ClientOptions(msgspec.Struct, frozen=True):
    """How a client reads, and how its sessions behave.

    Times are in seconds; Consul allows a time to live from 10 s. `serf_check` ties a session to the health of the
    server it was made through, as Consul does by default. A client of one server keeps `spare_connections`.
    `access` is how it is let in.
    """

    reads: Reads = "default"
    session_ttl_s: int = 10
    lock_delay_s: float = 0.0
    spare_connections: int = 8
    serf_check: bool = False
    access: Access = Access()
    sizes: Sizes = Sizes()


class Answer(msgspec.Struct, frozen=True):
    """A successful answer: its body, and Consul's own evidence of how fresh it is."""

    body: Any
    index: int | None
    last_contact_ms: int | None
    known_leader: bool | None

    def evidence(self) -> str | None:
        """The evidence in words, or None where the server gave none."""
        if self.known_leader is None:
            return None
        leader = "known-leader" if self.known_leader else "no-known-leader"
        return leader if self.last_contact_ms is None else f"{leader} last-contact={self.last_contact_ms}ms"


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
        self._urls = [options.access.url(address) for address in addresses.values()]
        self._at = 0
        spares = options.spare_connections if len(addresses) == 1 else 0
        # Its own connector: logical clients must not share connections.
        self._http = options.access.session(
            limit=spares + 4,
            keepalive_timeout=_KEPT_S,
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        never_send_twice(self._http)
        self._spares = Spares(self._http, self._urls[0], spares, timeout_s)

    @property
    def member(self) -> str:
        """The node that the next call goes to."""
        return self._members[self._at]

    def stored(self, value: Any, parts: int = 1) -> str:
        """A value of the workload as a transaction carries it, as long as was asked for; `parts` values share one."""
        return base64.b64encode(self.options.sizes.padded(values.encode(value), parts)).decode()

    def deadline(self) -> float:
        """When an operation that begins now must have ended, on the loop's clock."""
        return asyncio.get_running_loop().time() + self.timeout_s

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        deadline: float | None = None,
        missing_is_none: bool = False,
    ) -> Answer:
        """Make one call; raises `Refused` or `Unknown` by the outcome table.

        An operation of several calls hands its deadline to each.
        """
        if (what := self.options.access.outside(method, path, body)) is not None:
            raise Broken("outside", f"{what} is not below {self.options.access.prefix}: it was not sent")
        loop = asyncio.get_running_loop()
        end = self.deadline() if deadline is None else deadline
        left = end - loop.time()
        if left <= 0:
            raise Refused("not-connected", "no time left to send it")
        data = None if body is None else msgspec.json.encode(body)
        timeout = aiohttp.ClientTimeout(total=left, sock_connect=left * _CONNECT_SHARE)
        try:
            async with self._http.request(
                method,
                self._urls[self._at] + path,
                data=data,
                allow_redirects=False,
                timeout=timeout,
                server_hostname=self.options.access.pems.name,
            ) as response:
                content = await response.read()
                self._spares.answered()
                return _answer(response, content, missing_is_none=missing_is_none)
        except OutcomeError as error:
            self._move_on(error.code)
            raise
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            outcome = outcome_of_error(error)
            self._spares.lost()
            self._move_on(outcome.code)
            if outcome.code == "not-connected":
                # A client whose server is dead must not spin.
                await asyncio.sleep(max(0.0, min(_PAUSE_S, end - loop.time())))
            raise outcome from error

    async def look(
        self, path: str, *, deadline: float | None = None, missing_is_none: bool = True, query: str = ""
    ) -> Answer:
        """Make a call that only reads: when its answer is lost, nothing can ever happen: `Refused("unread")`."""
        try:
            return await self.call(
                "GET",
                path + (f"?{query}" if query else ""),
                deadline=deadline,
                missing_is_none=missing_is_none,
            )
        except Unknown as error:
            raise Refused("unread", str(error)) from error

    async def entry(
        self, kind: str, key: str, mode: Reads, deadline: float | None = None
    ) -> tuple[dict[str, Any] | None, Answer]:
        """Read the KV entry of a key, or None where there is none, with the answer it came in."""
        answer = await self.look(self.url_of(kind, key), deadline=deadline, query=MODES[mode])
        return (answer.body[0] if answer.body else None), answer

    async def txn(
        self, operations: Sequence[Mapping[str, Any]], *, deadline: float | None = None
    ) -> list[dict[str, Any]]:
        """Run operations on keys atomically; returns the `KV` object of each result (reads and writes alike)."""
        answer = await self.call(
            "PUT", "/v1/txn", [{"KV": operation} for operation in operations], deadline=deadline
        )
        return [result["KV"] for result in (answer.body or {}).get("Results") or []]

    def reply(
        self,
        value: Any = None,
        version: int | None = None,
        session: str | None = None,
        *,
        answer: Answer | None = None,
    ) -> Reply:
        """Make the reply of an operation; its version is the key's ModifyIndex."""
        return Reply(value, version, self.member, session, answer.evidence() if answer is not None else None)

    def path(self, kind: str, key: str) -> str:
        """Return where a capability keeps a key; each kind has its own prefix."""
        return self.options.access.key(kind, key)

    def url_of(self, kind: str, key: str) -> str:
        """Return the same, within a URL."""
        return "/v1/kv/" + quote(self.path(kind, key))

    async def close(self) -> None:
        """Close the connections; never raises."""
        await self._spares.close()
        await self._http.close()

    def _move_on(self, code: str) -> None:
        if code in MOVES_ON:
            self._at = (self._at + 1) % len(self._urls)


def never_send_twice(http: aiohttp.ClientSession) -> None:
    """Keep aiohttp from repeating a GET or PUT whose connection broke.

    HTTP allows that for idempotent methods; a compare-and-set by PUT is none: the second one would be refused though
    the first was applied. aiohttp offers this switch to its own test client alone.
    """
    if not hasattr(http, "_retry_connection"):
        raise AssertionError("this release of aiohttp hides its retries: requests may be sent twice")
    http._retry_connection = False  # noqa: SLF001 - see above; a test counts the requests


def _answer(response: aiohttp.ClientResponse, content: bytes, *, missing_is_none: bool) -> Answer:
    status = response.status
    missing = status == _MISSING and missing_is_none and not content.strip()
    if status != _OK and not missing:
        raise outcome_of_reply(status, content.decode(errors="replace"))
    headers = response.headers
    try:
        body = msgspec.json.decode(content) if content.strip() and not missing else None
    except msgspec.DecodeError as error:
        raise Unknown("bad-reply", f"HTTP {status} with no JSON: {content[:200]!r}") from error
    known = headers.get("X-Consul-KnownLeader")
    return Answer(
        body=body,
        index=_number(headers.get("X-Consul-Index")),
        last_contact_ms=_number(headers.get("X-Consul-LastContact")),
        known_leader=None if known is None else known == "true",
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def encode(value: Any) -> str:
    """A value as a transaction carries it: JSON in base64."""
    return base64.b64encode(values.encode(value)).decode()


def decode(entry: Mapping[str, Any] | None) -> Any:
    """The value of a KV entry; None where there is none."""
    if entry is None or entry.get("Value") is None:
        return None
    return msgspec.json.decode(base64.b64decode(entry["Value"]))
