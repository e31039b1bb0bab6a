"""What a member's server log says of its starts: with which revision, commit index and snapshot it began."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

_BEGINS: Final = "starting an etcd server"
_RAFT: Final = re.compile(r"newRaft .*commit: (\d+), applied: (\d+), lastindex: (\d+)")
_PLAIN_RELEASE: Final = re.compile(rb"etcd Version: (\S+)")


class Began(msgspec.Struct):
    """One start; None where the log does not say.

    `revision` is that of the store on disk, `commit` and `last` are the indexes of the log that it came back with,
    `snapshot` the index that it began to apply after.
    """

    at: datetime | None
    release: str = ""
    revision: int | None = None
    commit: int | None = None
    last: int | None = None
    snapshot: int | None = None


class _Line(msgspec.Struct):
    """A line of the server's JSON log, as far as it matters here."""

    msg: str = ""
    ts: str = ""
    release: str = msgspec.field(default="", name="etcd-version")
    revision: int | None = msgspec.field(default=None, name="current-rev")


_DECODER: Final = msgspec.json.Decoder(_Line)


def starts(log: bytes) -> list[Began]:
    """Read the starts from a server log; empty for the plain format of 3.3, but for one with the release."""
    found: list[Began] = []
    for line in _lines(log.splitlines()):
        if line.msg == _BEGINS:
            found.append(Began(_date(line.ts), line.release))
        elif found:
            _note(found[-1], line)
    plain = _PLAIN_RELEASE.search(log)
    return found if found or plain is None else [Began(None, plain[1].decode(errors="replace"))]


def _note(began: Began, line: _Line) -> None:
    if began.revision is None and line.msg == "kvstore restored":
        began.revision = line.revision
    if began.last is None and (raft := _RAFT.match(line.msg)):
        began.commit, began.snapshot, began.last = (int(number) for number in raft.groups())


def _lines(lines: Iterable[bytes]) -> Iterable[Any]:
    """Decode only the lines that matter: a log has tens of thousands of others."""
    for line in lines:
        if any(wanted in line for wanted in _WANTED):
            try:
                yield _DECODER.decode(line)
            except msgspec.DecodeError:
                continue


_WANTED: Final = (_BEGINS.encode(), b"newRaft ", b"kvstore restored")


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
