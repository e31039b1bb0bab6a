"""Judging with evidence for `quorate check`: witnesses verified and written, engines compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np

from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError
from quorate.harness.core.verdict import Limits, Result, Verdict

if TYPE_CHECKING:
    from quorate.harness.history import History

TRANSACTIONS: Final = ("append", "rw")
# What the verifier needs for each event, which it holds as Python objects; measured, and rounded up.
_VERIFY_BYTES: Final = 1_100
_UNPROVED: Final = "the certificate does not hold: {}; this is a bug in the engine, please report it"


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
    initial: Any = None


def _transactions(model: str) -> Literal["append", "rw"]:
    return "rw" if model == "rw" else "append"


class Question(msgspec.Struct, frozen=True):
    """What is asked of a history: the model, and what the caller states beside it."""

    model: str
    expect: str | None
    limits: Limits
    initial: Any
    settings: dict[str, str]


def judge(history: History, engine: str, question: Question) -> Judged:
    """Judge with one engine; raise `UsageError` for a model or an expectation that there is not."""
    from quorate.checkers.initial import judged, refuse  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.objects import object_models  # noqa: PLC0415

    model = question.model
    refusal = None if model in object_models() else refuse(model, question.initial)
    if refusal:
        raise UsageError(refusal)
    return judged(
        history,
        model,
        question.initial,
        lambda initial: _judge_from(history, engine, question, initial),
        lambda one: one.result,
        lambda one, result: msgspec.structs.replace(one, result=result),
    )


def _judge_from(history: History, engine: str, question: Question, initial: Any) -> Judged:
    model, expect, limits = question.model, question.expect, question.limits
    from quorate.checkers import check  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.expected import by_guarantee, guarantee, judge_object  # noqa: PLC0415
    from quorate.checkers.models import MODELS  # noqa: PLC0415
    from quorate.checkers.porcupine import PorcupineMissingError  # noqa: PLC0415
    from quorate.checkers.transactions import STRICTEST, Transactions  # noqa: PLC0415

    try:
        if guarantee(expect):
            return Judged(by_guarantee(history, expect or "", limits))
        if model in MODELS and engine in {"auto", "native"}:
            if question.settings:
                raise UsageError(f"{model} has no settings: leave out --set")
            found, orders = judge_object(history, model, expect, limits, initial)
            return Judged(found, orders, initial)
        if model in TRANSACTIONS and engine in {"auto", "native"}:
            checker = Transactions(_transactions(model), expect or STRICTEST)
            order = checker.order(history, limits)
            return Judged(checker.check(history, limits), [(None, order)] if order else ())
        found_by = check(
            history, model, engine, expect=expect, limits=limits, initial=initial, settings=question.settings
        )
        return Judged(found_by, initial=initial)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except PorcupineMissingError as error:
        raise Broken("no-porcupine", str(error)) from error


def judge_by_both(history: History, question: Question) -> Judged:
    """Ask the native engine and Porcupine; sound engines that disagree are a bug in one of them, reported loudly."""
    from quorate.checkers.porcupine import PorcupineMissingError, check_history  # noqa: PLC0415
    from quorate.checkers.second import confirmed  # noqa: PLC0415

    native = judge(history, "native", question)
    try:
        other = check_history(history, question.model, question.limits, initial=native.initial)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except PorcupineMissingError as error:
        raise Broken("no-porcupine", str(error)) from error
    if {native.result.verdict, other.verdict} == {Verdict.VALID, Verdict.INVALID}:
        said = ", ".join(f"{one.engine} says {one.verdict}" for one in (native.result, other))
        raise Broken("disagreement", f"the engines disagree: {said}; please report this history")
    if native.result.verdict is Verdict.UNKNOWN:
        return Judged(confirmed(other, native.result), initial=native.initial)
    if other.verdict is Verdict.UNKNOWN:
        reason = f"{native.result.engine} alone: {other.engine} gave no answer ({other.reason})"
        reason = "; ".join(filter(None, (native.result.reason, reason)))
        return msgspec.structs.replace(native, result=msgspec.structs.replace(native.result, reason=reason))
    judges = [*filter(None, [native.result.confirmed_by]), other.engine]
    result = msgspec.structs.replace(
        native.result,
        engine=f"{native.result.engine} + {other.engine}",
        confirmed_by=", ".join(judges),
        reason="; ".join(
            filter(None, (native.result.reason, f"{native.result.engine} and {other.engine} agree"))
        ),
    )
    return msgspec.structs.replace(native, result=result)


def with_orders(history: History, model: str, judged: Judged, limits: Limits) -> Judged:
    """Return the same with the orders that explain a valid history: Porcupine keeps none, the native engine does."""
    from quorate.checkers.linearizable import Linearizable  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.models import MODELS  # noqa: PLC0415

    if judged.result.verdict is not Verdict.VALID or judged.orders or model not in MODELS:
        return judged
    found = Linearizable(model, initial=judged.initial).judge(history, limits)
    return msgspec.structs.replace(judged, orders=[(one.key, one.order) for one in found.witnesses])


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
    """Replay the evidence, a witness or the certificates, with the independent verifiers.

    Raises `Broken` where it does not hold. False where there is none, or where it is too large to be replayed.
    """
    if judged.result.verdict is Verdict.INVALID:
        return _refuted(history, model, judged)
    if judged.result.verdict is Verdict.UNKNOWN or not judged.orders:
        return False
    from quorate.checkers.sequential_verify import replay_sequential  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.transactions_verify import replay  # noqa: PLC0415
    from quorate.checkers.verify import verify  # noqa: PLC0415

    if model in TRANSACTIONS:
        real_time = judged.result.guarantee == "strict-serializable"
        wrong = replay(history, judged.orders[0][1], _transactions(model), real_time=real_time)
    elif judged.result.guarantee == "sequential":
        wrong = replay_sequential(history, judged.orders[0][1], judged.initial, model)
    else:
        wrong = verify(history.events(), model, judged.orders, judged.initial)
    if wrong is not None:
        raise Broken(
            "witness", f"the witness does not hold: {wrong}; this is a bug in the engine, please report it"
        )
    return True


def _refuted(history: History, model: str, judged: Judged) -> bool:
    """Replay the certificate of every anomaly that has one; of those of one key the operations are the key's own."""
    from quorate.checkers.refute import refute  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.replies import DEFINITIONS  # noqa: PLC0415
    from quorate.checkers.replies import refute as refute_replies  # noqa: PLC0415
    from quorate.checkers.replies_record import Certificate  # noqa: PLC0415
    from quorate.checkers.second_objects import TooLargeError  # noqa: PLC0415
    from quorate.checkers.sessions_record import Certificate as SessionCertificate  # noqa: PLC0415
    from quorate.checkers.sessions_refute import SESSION_KINDS, refute_sessions  # noqa: PLC0415
    from quorate.checkers.transactions_refute import refute as refute_transactions  # noqa: PLC0415
    from quorate.checkers.transactions_story import TooLargeError as TransactionsTooLargeError  # noqa: PLC0415

    anomalies = judged.result.anomalies
    certificates = [one.detail.certificate for one in anomalies if one.detail.certificate is not None]
    defined = [one for one in certificates if one["kind"] in DEFINITIONS and "cycle" not in one]
    wrong = refute_replies(history, msgspec.convert(defined, list[Certificate])) if defined else None
    if wrong is not None:
        raise Broken("certificate", _UNPROVED.format(wrong))
    others = [one for one in certificates if one not in defined]
    events = [] if model in TRANSACTIONS or not others else history.events()
    for certificate in others:
        try:
            if model in TRANSACTIONS:
                wrong = refute_transactions(history, _transactions(model), certificate)
            elif certificate["kind"] in SESSION_KINDS:
                wrong = refute_sessions(
                    events, model, msgspec.convert(certificate, SessionCertificate), judged.initial
                )
            else:
                wrong = refute(events, model, certificate, initial=judged.initial)
        except (TooLargeError, TransactionsTooLargeError):
            return False
        if wrong is not None:
            raise Broken("certificate", _UNPROVED.format(wrong))
    return bool(certificates) and len(certificates) == len(anomalies)


def write_witness(judged: Judged, path: Path) -> Path:
    """Write the order, a line for each key: positions of invocations in the history."""
    lines = [msgspec.json.encode({"key": key, "order": list(order)}) for key, order in judged.orders]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def write_counterexample(history: History, result: Result, path: Path) -> Path:
    """Write the minimal sub-history of the first anomaly in the exchange format."""
    from quorate.checkers.transactions_counterexample import encoded  # noqa: PLC0415 - keeps --help quick

    path.write_bytes(encoded(history, result, result.anomalies[0]))
    return path
