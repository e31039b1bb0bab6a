"""What goes into the runner and what comes out of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from quorate.harness.core.capabilities import Client
from quorate.harness.core.fault import NemesisOutcome
from quorate.harness.core.outcome import Reply
from quorate.harness.generators import Generator, Invocation


class Connection(msgspec.Struct, frozen=True):
    """An open client, and the node it is pinned to (None: it knows several)."""

    client: Client
    node: str | None = None


class Nemesis(msgspec.Struct, frozen=True):
    """What breaks things: its generator and what performs its invocations.

    With `generator` None, the nemesis gets what the main generator offers it (`on_nemesis`).
    """

    generator: Generator | None
    act: Callable[[Invocation], Awaitable[NemesisOutcome]]
    timeout_s: float = 60.0


class DriveStats(msgspec.Struct, frozen=True):
    """Numbers about one drive. Counts are of client operations; lag is how late the event loop was, in ms.

    `abandoned` operations hung past their deadline, `stuck` clients did not even end when cancelled; `no_client` are
    operations that failed because no client could be opened. `ended` says why: exhausted, stopped or deadline.
    """

    operations: int
    ok: int
    fail: int
    info: int
    no_client: int
    abandoned: int
    stuck: int
    duration_s: float
    lag_ms_p50: float
    lag_ms_p99: float
    lag_ms_max: float
    ended: str


Perform: TypeAlias = Callable[[Any, Invocation], Awaitable[Reply]]
OpenClient: TypeAlias = Callable[[int, int], Awaitable[Connection]]
