"""Judging with evidence for `quorate check`: witnesses verified and written, engines compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np

from quorate.harness.core import counterexample
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError
from quorate.harness.core.verdict import Limits, Result, Verdict

if TYPE_CHECKING:
    from quorate.harness.history import History

TRANSACTIONS: Final = ("append", "rw")
# What the verifier needs for each event, which it holds as Python objects; measured, and rounded up.
_VERIFY_BYTES: Final = 1_100


def notes(history: History) -> list[str]:
    """What whoever reads the verdict on a file should know of the file."""
    found = list(history.notes)
    if history.truncated:
        found.append("the file ends in the middle of an event or of compressed data: judged is what is there")
    backwards = np.flatnonzero(np.diff(history.columns.time) < 0)
    if len(backwards):
        index = history.columns.index[backwards[0] + 1]
        found.append(
            f"times run backwards {len(backwards)} times, first at event {index}: the order of the file was taken for "
            "the order in real time; sort it by time if that is wrong"
        )
    return found


class Judged(msgspec.Struct, frozen=True):
    """A result, and for each key the order that explains it (pairs of key and positions of invocations)."""

    result: Result
    orders: Sequence[tuple[Any, Sequence[int]]] = ()


def _transactions(model: str) -> Literal["append", "rw"]:
    return "rw" if model == "rw" else "append"


def judge(history: History, model: str, engine: str, expect: str | None, limits: Limits) -> Judged:
    """Judge with one engine; raise `UsageError` for a model or an expectation that there is not."""
    from quorate.checkers import check  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.linearizable import MODELS, Linearizable  # noqa: PLC0415
    from quorate.checkers.porcupine import PorcupineMissingError  # noqa: PLC0415
    from quorate.checkers.transactions import STRICTEST, Transactions  # noqa: PLC0415

    try:
        if model in MODELS and engine in {"auto", "native"}:
            found = Linearizable(model).judge(history, limits)
            return Judged(found.result, [(one.key, one.order) for one in found.witnesses])
        if model in TRANSACTIONS and engine in {"auto", "native"}:
            checker = Transactions(_transactions(model), expect or STRICTEST)
            order = checker.order(history, limits)
            return Judged(checker.check(history, limits), [(None, order)] if order else ())
        return Judged(check(history, model=model, engine=engine, expect=expect, limits=limits))
    except ValueError as error:
        raise UsageError(str(error)) from error
    except PorcupineMissingError as error:
        raise Broken("no-porcupine", str(error)) from error


def agreed(judged: Sequence[Judged]) -> Judged:
    """Return one result for all engines; sound engines that disagree are a bug in one of them, told loudly."""
    decided = {one.result.verdict for one in judged} - {Verdict.UNKNOWN}
    if len(decided) > 1:
        said = ", ".join(f"{one.result.engine} says {one.result.verdict}" for one in judged)
        raise Broken("disagreement", f"the engines disagree: {said}; please report this history")
    return next((one for one in judged if one.result.verdict is not Verdict.UNKNOWN), judged[0])


def too_large(history: History, limits: Limits) -> str | None:
    """Why the verifier cannot replay so many events in the memory given, if so."""
    needed = len(history) * _VERIFY_BYTES
    if needed <= limits.memory_bytes:
        return None
    return (
        f"not verified: replaying {len(history):,} events needs about {needed / 2**30:.1f} GiB, more than "
        f"--check-memory allows; give --check-memory {needed // 2**30 + 1}GiB"
    )


def verified(history: History, model: str, judged: Judged) -> bool:
    """Replay the witness with the independent verifier; raise `Broken` where it does not hold.

    Only a `valid` of the native engines has a witness; everything else is not verified, and returns False.
    """
    from quorate.checkers.transactions_verify import replay  # noqa: PLC0415
    from quorate.checkers.verify import verify  # noqa: PLC0415

    if judged.result.verdict is not Verdict.VALID or not judged.orders:
        return False
    if model in TRANSACTIONS:
        real_time = judged.result.guarantee == "strict-serializable"
        wrong = replay(history, judged.orders[0][1], _transactions(model), real_time=real_time)
    else:
        wrong = verify(history.events(), model, judged.orders)
    if wrong is not None:
        raise Broken(
            "witness", f"the witness does not hold: {wrong}; this is a bug in the engine, please report it"
        )
    return True


def write_witness(judged: Judged, path: Path) -> Path:
    """Write the order, a line for each key: positions of invocations in the history."""
    lines = [msgspec.json.encode({"key": key, "order": list(order)}) for key, order in judged.orders]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def write_counterexample(history: History, result: Result, path: Path) -> Path:
    """Write the minimal sub-history of the first anomaly in the exchange format."""
    path.write_bytes(counterexample.encoded(history, result.anomalies[0]))
    return path
