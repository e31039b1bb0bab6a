"""What can become of one operation, as errors with meaning.

A client returns a `Reply` when the operation certainly happened, and raises one of three errors otherwise. The runner
turns them into `fail`, `info` and a stopped run. A client must raise `Refused` only where the service certainly
did nothing: a `fail` that did happen makes every checker lie.

See docs/decisions/clients.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

# What a refusal says of the service, for figures of availability. A history has it as the beginning of the error's
# text: ["held", "answered: another session holds it"].
ANSWERED: Final = "answered"  # it was asked, looked at its state, and said no, as it should
UNASKED: Final = "unasked"  # the client knew better than to ask it


def marked(error: object, mark: str) -> bool:
    """Whether the error of an event, [code, text], carries this mark."""
    if not isinstance(error, list) or len(error) < 2:  # noqa: PLR2004 - a pair
        return False
    text = error[1]
    return isinstance(text, str) and (text == mark or text.startswith(f"{mark}: "))


class Reply(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The answer to an operation that certainly happened.

    `value` is what a read saw (None for writes), `version` the service's own order (etcd revision, ZooKeeper zxid,
    Consul ModifyIndex), `member` the server that answered when that is not simply the node asked, `session` the
    session it ran under. `evidence` is what the service itself said of how fresh the answer is; it stands in the
    history as the note `["evidence", …]` of an event that is `ok`.
    """

    value: Any = None
    version: int | None = None
    member: str | None = None
    session: str | None = None
    evidence: str | None = None


class OutcomeError(Exception):
    """Base of the three outcomes that are not `ok`: `code` is short and stable, `text` is the service's own words."""

    def __init__(self, code: str, text: str = "") -> None:
        self.code = code
        self.text = text
        super().__init__(f"{code}: {text}" if text else code)


class Refused(OutcomeError):  # noqa: N818 - the outcome's name in this field, not an accident
    """Certainly nothing happened; `seen` is the current value where a refused compare returned it.

    `answer` is `ANSWERED` where this is the service doing its work (a lock is held, a lease is gone), `UNASKED` where
    the service had no part in it, and empty where it did not serve (no leader, overloaded).
    """

    def __init__(
        self, code: str, text: str = "", *, seen: Any = None, version: int | None = None, answer: str = ""
    ) -> None:
        super().__init__(code, text)
        self.seen = seen
        self.version = version
        self.answer = answer

    def renamed(self, names: Mapping[str, str]) -> Refused:
        """Return the same refusal by a capability's name for it; this one where `names` has none for its code."""
        if self.code not in names:
            return self
        return Refused(names[self.code], self.text, seen=self.seen, version=self.version, answer=self.answer)


class Unknown(OutcomeError):  # noqa: N818
    """Unknown whether it happened: it may take effect now, later, or never."""


class Broken(OutcomeError):  # noqa: N818
    """The harness or its environment failed; the run cannot continue. `text` says what to do about it."""


class UsageError(ValueError):
    """The options make no sense together; the text says what to write instead (exit code 4)."""
