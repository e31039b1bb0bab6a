"""Which services of a compose file are members, as `--service` names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core.outcome import UsageError

_PORT_MAX: Final = 65535
_SERVICE: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_EXAMPLE: Final = "write n1=SERVICE,n2=SERVICE,… as in n1=etcd-a,n2=etcd-b,n3=etcd-c"


class Member(msgspec.Struct, frozen=True):
    """A node and the service it is; `port` is where its container serves clients, None the system's own."""

    node: str
    service: str
    port: int | None = None


class Asked(msgspec.Struct, frozen=True):
    """What was asked for: the file, its members, where their containers serve clients, and whether to enter them.

    `patching` are faults that could not be undone after a kill -9: they need a project that is up for the run alone.
    """

    file: Path
    members: tuple[Member, ...]
    port: int
    entered: bool = False
    patching: tuple[str, ...] = ()


def members(texts: Sequence[str]) -> tuple[Member, ...]:
    """Read n1=SERVICE[:PORT],…; without names they count in the order given. Raises `UsageError`."""
    found = [_member(text.strip(), at) for at, text in enumerate(texts, start=1)]
    wanted = [f"n{at}" for at in range(1, len(found) + 1)]
    if sorted(one.node for one in found) != sorted(wanted):
        raise UsageError(f"--service {','.join(texts)}: nodes are called {', '.join(wanted)}; {_EXAMPLE}")
    services = [one.service for one in found]
    if twice := sorted({one for one in services if services.count(one) > 1}):
        raise UsageError(f"--service names {twice[0]} twice: each node is another service")
    return tuple(sorted(found, key=lambda one: wanted.index(one.node)))


def _member(text: str, at: int) -> Member:
    named, equals, rest = text.partition("=")
    node, where = (named, rest) if equals else (f"n{at}", text)
    service, colon, port = where.partition(":")
    if not _SERVICE.fullmatch(service):
        raise UsageError(f"--service {text}: not a service; {_EXAMPLE}")
    if colon and not (port.isdecimal() and 0 < int(port) <= _PORT_MAX):
        raise UsageError(f"--service {text}: {port!r} is not a port; write n1=SERVICE:PORT")
    return Member(node, service, int(port) if colon else None)
