"""Backups: what comes back is what the service had committed up to one moment, and no more.

Of each backup that was restored: every value in it was written by a client, and not refused; no write in it was invoked
after the backup had been received; transactions are in it as a whole or not at all; and it is one cut through the order
of the writes: where one write had been acknowledged before another was invoked, it holds the other only with the first,
and by the service's own order it holds exactly what comes up to its position. It reaches where its member had been when
it was asked, and holds everything acknowledged by then where a quorum had confirmed that. Where the service keeps old
states, all keys are what the cluster itself held at the backup's position.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.backup_facts import Fact, Stranger, facts
from quorate.harness.core.backup import Backup, Held, Restored
from quorate.harness.core.evidence import Facts
from quorate.harness.core.verdict import Anomaly, Result, Verdict
from quorate.harness.history.event import Operation, Type

GUARANTEE: Final = "backups-are-prefixes"
_SHOWN: Final = 3
_NS: Final = 1e6  # of a millisecond


class Taken(msgspec.Struct, frozen=True):
    """A backup and its place in the history, in nanoseconds: asked for at `asked_ns` or later, had by `received_ns`."""

    name: str
    backup: Backup
    asked_ns: float
    received_ns: float


def judge(operations: Sequence[Operation], taken: Sequence[Taken], time_s: float = 60.0) -> Result:
    """Judge the backups of a run; unknown where none came back that anything could be compared with.

    Begins with no other backup after `time_s`; without an anomaly the answer is then unknown.
    """
    started = time.perf_counter()
    anomalies: list[Anomaly] = []
    compared, restored, asked, judged = 0, 0, 0, 0
    for one in taken:
        if time.perf_counter() - started > time_s:
            break
        judged += 1
        back = one.backup.restored
        found = _Judged(one, operations if back is not None else [])
        anomalies += found.anomalies()
        restored += back is not None
        compared += bool(found.facts) or (back is not None and bool(back.compared))
        asked += len({fact.operation.invoke.index for fact in found.facts})
    enough = compared and judged == len(taken)
    verdict = Verdict.INVALID if anomalies else Verdict.VALID if enough else Verdict.UNKNOWN
    refused = sum(bool(one.backup.refused) for one in taken)
    return Result(
        GUARANTEE,
        verdict,
        engine="comparison",
        reason=_why(len(taken), restored, judged) if verdict is Verdict.UNKNOWN else "",
        operations=asked,
        anomalies=anomalies,
        time_s=time.perf_counter() - started,
        stats={"backups": len(taken), "restored": restored, "refused": refused, "compared": compared},
    )


def _why(taken: int, restored: int, judged: int) -> str:
    if not taken:
        return "no backup was taken"
    if judged < taken:
        return f"{judged} of {taken} backups were judged before the time ended"
    if not restored:
        return f"none of {taken} backups was restored"
    return f"none of {restored} restored backups held anything to compare"


class _Judged:
    """One backup against the history."""

    def __init__(self, taken: Taken, operations: Sequence[Operation]) -> None:
        self._taken = taken
        back = taken.backup.restored
        found = [] if back is None else facts(operations, back.held)
        self.facts = [one for one in found if isinstance(one, Fact)]
        self._strangers = [one for one in found if isinstance(one, Stranger)]
        self._inside = [one for one in self.facts if one.inside]
        self._outside = [one for one in self.facts if not one.inside]

    def anomalies(self) -> Iterator[Anomaly]:
        """What is wrong with it, each kind once."""
        backup = self._taken.backup
        if backup.restored is None:
            if backup.whole and backup.refused:
                yield self._told("backup is damaged", f"is whole and cannot be restored: {backup.refused}")
            return
        if not backup.whole:
            yield self._told("partial backup accepted", "was cut short, and was restored all the same")
        checks: tuple[Callable[[Restored], Iterator[Anomaly]], ...] = (
            self._not_as_the_cluster,
            self._strange,
            self._halves,
            self._behind,
        )
        for check in checks:
            yield from check(backup.restored)
        # One wrong cut shows in several ways: the plainest is reported.
        cuts = (one for check in (self._gap, self._lost, self._ahead) for one in check(backup.restored))
        yield from itertools.islice(cuts, 1)

    def _told(self, name: str, sentence: str, *about: Operation, key: Any = None) -> Anomaly:
        taken = self._taken
        back = taken.backup.restored
        at = f" at position {back.position}" if back is not None else ""
        place = {} if back is None else {"position": back.position}
        ends = [event for one in about for event in (one.invoke, one.completion) if event is not None]
        return Anomaly(
            name,
            f"the backup of {taken.backup.node}{at} {sentence}",
            key=key,
            events=sorted({event.index for event in ends}),
            detail=Facts(facts={"backup": taken.name, "node": taken.backup.node, **place}),
        )

    def _not_as_the_cluster(self, back: Restored) -> Iterator[Anomaly]:
        if back.differences:
            shown = "; ".join(
                f"{one.key} is {one.of_backup} in it and was {one.of_cluster} in the cluster"
                for one in back.differences[:_SHOWN]
            )
            yield self._told(
                "backup differs", f"is not what the cluster held then: {shown}", key=back.differences[0].key
            )

    def _strange(self, back: Restored) -> Iterator[Anomaly]:
        for one in self._strangers[:1]:
            what = f"holds {_text(one.held.value)} in {one.held.key}"
            if one.refused is None:
                yield self._told("phantom in backup", f"{what}, which no client wrote", key=one.held.key)
            else:
                why = f"{what}, which {_who(one.refused)} was refused to write"
                yield self._told("refused write in backup", why, one.refused, key=one.held.key)
        late = [one for one in back.held if one.version > back.position and back.exact]
        if late:
            yield self._told("backup beyond its position", _beyond(late[0]), key=late[0].key)

    def _halves(self, back: Restored) -> Iterator[Anomaly]:
        del back
        inside = {one.operation.invoke.index: one for one in self._inside}
        for lacking in self._outside:
            there = inside.get(lacking.operation.invoke.index)
            if there is not None:
                sentence = (
                    f"holds half of {_who(there.operation)}'s transaction: {_text(there.value)} in {there.key}, "
                    f"and not {_text(lacking.value)} in {lacking.key}"
                )
                yield self._told("half a transaction in backup", sentence, there.operation, key=there.key)
                return

    def _gap(self, back: Restored) -> Iterator[Anomaly]:
        """A write that is there, and one before it that is not."""
        del back
        if not self._inside or not self._outside:
            return
        first = min(self._outside, key=_ended)
        last = max(self._inside, key=lambda one: one.operation.invoke.time)
        since_ms = (last.operation.invoke.time - _ended(first)) / _NS
        if since_ms > 0:
            sentence = (
                f"holds {_says(last)}, and lacks {_says(first)}, acknowledged {since_ms:.3f} ms before the other was "
                "invoked"
            )
            yield self._told("torn backup", sentence, first.operation, last.operation, key=first.key)

    def _behind(self, back: Restored) -> Iterator[Anomaly]:
        """Its member had been further than it reaches."""
        reached, node = self._taken.backup.reached, self._taken.backup.node
        if reached.position is not None and back.position < reached.position:
            yield self._told(
                "backup is behind", f"does not reach {reached.position}, where {node} had been before"
            )

    def _lost(self, back: Restored) -> Iterator[Anomaly]:
        """What must be there by its position, by that of its member, or by what a quorum had confirmed."""
        reached = self._taken.backup.reached
        floor = max(back.position, reached.position or 0)
        for one in self._outside:
            at = _version(one)
            early_ms = (self._taken.asked_ns - _ended(one)) / _NS
            if at is not None and at <= floor:
                why = f"of position {at}"
            elif reached.confirmed and early_ms > 0:
                why = f"acknowledged {early_ms:.3f} ms before it was asked for"
            else:
                continue
            yield self._told("lost from backup", f"lacks {_says(one)}, {why}", one.operation, key=one.key)
            return

    def _ahead(self, back: Restored) -> Iterator[Anomaly]:
        for one in self._inside:
            late_ms = (one.operation.invoke.time - self._taken.received_ns) / _NS
            at = _version(one)
            if late_ms > 0:
                why = f"invoked {late_ms:.3f} ms after it had been received"
            elif back.exact and at is not None and at > back.position:
                why = f"of position {at}"
            else:
                continue
            yield self._told(
                "later write in backup", f"holds {_says(one)}, {why}", one.operation, key=one.key
            )
            return


def _beyond(one: Held) -> str:
    return f"holds {_text(one.value)} in {one.key}, changed at {one.version}"


def _who(one: Operation) -> str:
    return f"p{one.invoke.process}"


def _says(one: Fact) -> str:
    return f"{_who(one.operation)}'s {one.operation.invoke.f} of {_text(one.value)} to {one.key}"


def _ended(one: Fact) -> int:
    assert one.operation.completion is not None  # what is lacking was acknowledged
    return one.operation.completion.time


def _version(one: Fact) -> int | None:
    done = one.operation.completion
    return done.version if done is not None and done.type == Type.OK else None


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
