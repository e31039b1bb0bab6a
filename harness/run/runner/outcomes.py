"""The one place where errors with meaning become events: `Refused` fail, `Unknown` info, `Broken` a stopped run."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from quorate.harness.core.outcome import Broken, Refused, Unknown
from quorate.harness.generators import Invocation
from quorate.harness.history.event import Type


class Ending(msgspec.Struct, frozen=True, gc=False):
    """How an operation that raised is recorded, and the error that stops the run if it does."""

    type: str
    error: list[str]
    value: Any = None
    version: int | None = None
    stops: Broken | None = None


def ending_of(error: BaseException, invocation: Invocation, who: str) -> Ending:
    """Translate what a client raised; any error without a meaning is a mistake in the client, and stops the run."""
    match error:
        case Refused():
            text = ": ".join(filter(None, (error.answer, error.text)))
            return Ending(Type.FAIL, [error.code, text], error.seen, error.version)
        case Unknown():
            return Ending(Type.INFO, [error.code, error.text])
        case Broken():
            return Ending(Type.INFO, [error.code, error.text], stops=error)
        case asyncio.CancelledError():
            return Ending(Type.INFO, ["cancelled", "the client's own call was cancelled"])
        case _:
            text = f"{type(error).__name__}: {error}"
            broken = Broken("client", f"{who} raised {text} in {invocation.f}: that is a mistake in its code")
            broken.__cause__ = error
            return Ending(Type.INFO, ["client-bug", text], stops=broken)
