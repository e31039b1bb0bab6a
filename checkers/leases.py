"""Leases against the clock: alive as long as was promised, gone when not kept alive, never both.

All times are the clients' own, on one monotonic clock; what lies between asking and answer only ever widens what is
allowed. A lease is *certainly alive* from its grant's answer until its time to live has passed since the last renewal
that was acknowledged was asked for. It is *certainly dead* once, under one leader without faults, its time to live has
passed since the last renewal that may have happened, with what the service documents on top. Grants give both
precisions (see `quorate.harness.core.capabilities.Leases`).

See docs/decisions/leases.md.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec
import numpy as np

from quorate.checkers.lease_looks import FUNCTIONS, NEVER, Call, Look, Looks, called
from quorate.checkers.replays import varied
from quorate.checkers.replies import confirmed
from quorate.harness.core.evidence import Hold, Holds, Mark
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict
from quorate.harness.history import History
from quorate.harness.history.columns import INVOKE, KINDS, NEMESIS_PROCESS, NONE, Columns

SLACK_MS: Final = 5_000  # for a service on a busy machine to get round to ending what is over
_NS_PER_MS: Final = 1_000_000
_MARKS_MAX: Final = 4
_NS: Final = 1e9


class Lease(msgspec.Struct):
    """What is known of one lease. `touched` is when the last operation that may have kept it alive had ended."""

    name: str
    grant: Call | None = None
    told: Mapping[str, int] = {}  # what the grant said: its time to live and the precision, in ms
    maybe: bool = False  # a grant without an answer
    renewals: list[Call] = []
    refusals: list[Call] = []
    revokes: list[Call] = []
    touched: int = 0
    known: int = NEVER  # from then on it was there
    old: int = 0  # looks at a state from before its grant


Stretch: TypeAlias = tuple[int, int, str]  # from, to (ns), and "held" or "maybe"


class LeasesKeepTime:
    """No lease is lost before its time, none outlives it, none is renewed after its end.

    Functions: `grant`, `renew` and `revoke` with the lease's name as key; `look` and `rest` (after the last heal) read
    which keys there are. With `strict` the service's documented precision is not granted. O(looks times leases alive).
    """

    name = "leases-keep-time"

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; unknown where no look fell into the certain life of any lease."""
        del limits
        started = time.perf_counter()
        record = _Record(history, strict=self.strict)
        judged, found = 0, list[Anomaly]()
        for lease in record.leases.values():
            if lease.grant is not None:
                looked, anomalies = record.life(lease, lease.grant)
                judged, found = judged + looked, found + anomalies
        found += record.afterlife()
        kinds = Counter(each.name for each in found)
        reason = ""
        if found:
            reason = f"{len(found)} violations"
        elif not judged:
            reason = "no look fell into the time in which a lease was certainly alive"
        result = Result(
            guarantee=self.name,
            verdict=Verdict.INVALID if found else Verdict.VALID if judged else Verdict.UNKNOWN,
            engine="intervals",
            reason=reason,
            operations=len(record.looks),
            anomalies=varied(sorted(found, key=lambda one: one.events[-1])),
            time_s=time.perf_counter() - started,
            stats={"leases": len(record.leases), "judged": judged, "violations": dict(kinds)},
        )
        return confirmed(result, history, strict=self.strict)


def _kept(columns: Columns) -> Iterator[tuple[int, int | None]]:
    """All operations but looks, by the positions of their events: as they were answered, then those never answered."""
    mine = (columns.process != NEMESIS_PROCESS) & ~called(columns, *FUNCTIONS)
    ended = np.flatnonzero(mine & (columns.kind != INVOKE) & (columns.pair != NONE))
    yield from zip(columns.pair[ended].tolist(), ended.tolist(), strict=True)
    for begun in np.flatnonzero(mine & (columns.kind == INVOKE) & (columns.pair == NONE)).tolist():
        yield begun, None


class _Record:
    """The history, sorted into leases and looks."""

    def __init__(self, history: History, *, strict: bool) -> None:
        self.strict = strict
        self.leases: dict[str, Lease] = {}
        self.looks = Looks(history)
        self.gone: dict[str, Look] = {}  # the look that first saw a key gone
        columns = history.columns
        faults = columns.time[columns.process == NEMESIS_PROCESS]
        self.first_fault = int(faults.min()) if len(faults) else NEVER
        for begun, ended in _kept(columns):
            self._take(columns, begun, ended)
        self._asked = self.looks.asked.tolist()
        self._done = np.sort(self.looks.done).tolist()
        self._find_births()
        self._find_ends()

    def _take(self, columns: Columns, begun: int, ended: int | None) -> None:
        call = Call.of(columns, begun, ended)
        f, name = columns.text(columns.f[begun]), str(columns.text(columns.key[begun]))
        outcome = "info" if ended is None else KINDS[columns.kind[ended]]
        lease = self.leases.setdefault(name, Lease(name))
        error = columns.text(columns.error[ended]) if ended is not None else None
        gone = outcome == "fail" and (error or [""])[0] == "lease-gone"
        match f, outcome:
            case "grant", "ok" if ended is not None:
                lease.grant, lease.told = call, columns.text(columns.value[ended])
            case "grant", "info":
                lease.maybe = True
            case "renew", "ok":
                lease.renewals.append(call)
            case "renew", _ if gone:
                lease.refusals.append(call)
            case "revoke", _:
                lease.revokes.append(call)
        if not gone and (f, outcome) != ("grant", "fail"):
            lease.touched = max(lease.touched, call.done)

    def _find_births(self) -> None:
        """Find since when each key was certainly there: since its grant was answered, or it was seen."""
        for names, done in zip(self.looks.names, self.looks.first_done(), strict=True):
            for name in names & self.leases.keys():
                self.leases[name].known = min(self.leases[name].known, done)
        for lease in self.leases.values():
            lease.known = NEVER if lease.grant is None else min(lease.known, lease.grant.done)

    def _find_ends(self) -> None:
        """Find the look that first saw each key gone."""
        there: set[str] = set()

        def visit(number: int, sight: int, came: list[str]) -> bool:
            there.update(came)
            missing = there - self.looks.names[sight]
            if missing:
                self._miss(self.looks[number], missing, there)
            return bool(missing)

        self.looks.walk({lease.name: lease.known for lease in self.leases.values()}, visit)

    def _miss(self, look: Look, missing: set[str], there: set[str]) -> None:
        for name in missing:
            lease, gone = self.leases[name], self.gone.get(name)
            if gone is not None and gone.call.done < look.call.asked:
                there.discard(name)
            elif lease.grant is not None and look.version < lease.grant.version:
                lease.old += 1  # an old read, and another guarantee's business
            elif gone is None or look.call.done < gone.call.done:
                self.gone[name] = look

    def life(self, lease: Lease, grant: Call) -> tuple[int, list[Anomaly]]:
        """Judge the time in which the lease was certainly alive: how many looks fell into it, and what they found."""
        until = self._alive_until(lease, grant, NEVER)[1]
        inside = bisect_left(self._done, until) - bisect_right(self._asked, lease.known)
        judged = max(0, inside - lease.old)
        gone = self.gone.get(lease.name)
        found = [] if gone is None else self._lost(lease, grant, gone.call, "saw its key gone")
        for call in lease.refusals:
            if not found and call.asked > grant.done:
                found += self._lost(lease, grant, call, "saw that it had ended")
        return judged, found + self._renewed_dead(lease)

    def _lost(self, lease: Lease, grant: Call, call: Call, how: str) -> list[Anomaly]:
        """The lease had ended by then: an anomaly if it was certainly alive, by what was asked for until then."""
        done = call.done
        last, until = self._alive_until(lease, grant, done)
        if done >= until:
            return []
        kind = "grant" if last is grant else "renewal"
        at = f" at {call.node}" if call.node else ""
        text = (
            f"lease {lease.name} was lost {(until - done) / _NS:.3f} s too early: {_who(call)} {how}{at} "
            f"at {_at(done)}, {(done - last.asked) / _NS:.3f} s after {_who(last)} asked for a {kind} that was "
            f"acknowledged and good for {(until - last.asked) / _NS:.3f} s"
        )
        life = ((grant.done, until, "held"),)
        return [_anomaly("lease lost too early", text, lease, (last, call), call, life)]

    def _alive_until(self, lease: Lease, grant: Call, before: int) -> tuple[Call, int]:
        """The last operation asked for until `before` that kept it alive, and until when it certainly did."""
        relay, sooner = (0, 0) if self.strict else (lease.told["relay_ms"], lease.told["sooner_ms"])
        span = (lease.told["ttl_ms"] - sooner) * _NS_PER_MS
        kept = [grant, *(call for call in lease.renewals if call.asked <= before)]
        if relay:
            heard = max(call.asked for call in kept) - relay * _NS_PER_MS
            kept = [call for call in kept if call is grant or call.done <= heard]
        last = max(kept, key=lambda call: call.asked)
        return last, min([last.asked + span, *(call.asked for call in lease.revokes)])

    def _renewed_dead(self, lease: Lease) -> list[Anomaly]:
        """A renewal that was asked for after the end and acknowledged all the same."""
        look = self.gone.get(lease.name)
        ends = [(look.call, "was seen gone")] if look is not None else []
        ends += [(call, "was revoked") for call in lease.revokes if call.ok]
        for call in lease.renewals:
            for end, how in ends:
                if call.asked > end.done:
                    text = (
                        f"{_who(call)} renewed lease {lease.name}, asked for at {_at(call.asked)}, "
                        f"{(call.asked - end.done) / _NS:.3f} s after it {how} by {_who(end)}"
                    )
                    return [_anomaly("lease renewed after its end", text, lease, (end, call), call)]
        return []

    def afterlife(self) -> list[Anomaly]:
        """Judge the keys that looks found: whether each was still, or again, allowed to be there."""
        anchors = self._anchors()
        longest = max((self._span(lease) for lease in self.leases.values()), default=0)
        over = {name: self._over(lease, longest) for name, lease in self.leases.items()}
        suspects: set[str] = set()
        told: set[str] = set()
        found: list[Anomaly] = []
        unknown = [names - self.leases.keys() for names in self.looks.names]

        def visit(number: int, sight: int, came: list[str]) -> bool:
            suspects.update(came)
            seen = (self.looks.names[sight] & suspects | unknown[sight]) - told
            for name in seen:
                wrong = self._wrong(name, self.looks[number], anchors, longest)
                if wrong is not None:
                    told.add(name)
                    found.append(wrong)
            return bool(seen)

        self.looks.walk(over, visit)
        return found

    def _over(self, lease: Lease, longest: int) -> int:
        """From when on the key must be looked at twice where it is still there."""
        if lease.grant is None and not lease.maybe:
            return -1
        gone = self.gone.get(lease.name)
        ends = [call.done for call in lease.revokes if call.ok]
        ends += [gone.call.done] if gone is not None else []
        return min([*ends, lease.touched + (self._span(lease) or longest)])

    def _anchors(self) -> Mapping[tuple[bool, int], int]:
        """When each leader is first known to be in office, before any fault and after the last."""
        first: dict[tuple[bool, int], int] = defaultdict(lambda: NEVER)
        for rest in (False, True):
            for term, done in zip(self.looks.terms, self.looks.first_done(rest), strict=True):
                if term is not None:
                    first[rest, term] = min(first[rest, term], done)
        return first

    def _span(self, lease: Lease) -> int:
        """How long it may go without a keep-alive before it is certainly dead; 0 where its grant was not answered."""
        if lease.grant is None:
            return 0
        later = 0 if self.strict else lease.told["later_ms"]
        return int(lease.told["ttl_ms"] + later + SLACK_MS) * _NS_PER_MS

    def _wrong(
        self, name: str, look: Look, anchors: Mapping[tuple[bool, int], int], longest: int
    ) -> Anomaly | None:
        lease, call = self.leases.get(name) or Lease(name), look.call
        saw = f"{_who(call)} saw the key of lease {name} at {_at(call.done)}"
        if lease.grant is None and not lease.maybe:
            return _anomaly("key without a lease", f"{saw}, which was never granted", lease, (call,), call)
        gone = self.gone.get(name)
        if gone is not None and gone.call.done < call.asked:
            if gone.version > look.version:
                return None  # an old read
            text = f"{saw}, after {_who(gone.call)} had seen it gone at {_at(gone.call.done)}"
            return _anomaly("lease came back", text, lease, (gone.call, call), call)
        for revoke in lease.revokes:
            over = revoke.ok and revoke.done < call.asked
            if over and revoke.version <= look.version:
                text = f"{saw}, {(call.asked - revoke.done) / _NS:.3f} s after {_who(revoke)} had revoked it"
                life = (
                    ((lease.grant or revoke).done, revoke.asked, "held"),
                    (revoke.asked, revoke.done, "maybe"),
                )
                return _anomaly("lease outlived its revocation", text, lease, (revoke, call), call, life)
        return self._outlived(lease, look, anchors, self._span(lease) or longest)

    def _outlived(
        self, lease: Lease, look: Look, anchors: Mapping[tuple[bool, int], int], span: int
    ) -> Anomaly | None:
        """A key that is there though its lease is certainly dead: under one leader all the time, without faults."""
        call = look.call
        if not span or look.term is None or not (look.rest or call.done < self.first_fault):
            return None
        since = max(anchors[look.rest, look.term], lease.touched)
        if call.asked <= since + span:
            return None
        text = (
            f"{_who(call)} saw the key of lease {lease.name} at {_at(call.done)}, "
            f"{(call.asked - since) / _NS:.1f} s after the last moment at which anything can have kept it alive; "
            f"{span / _NS:.1f} s after that it should have been gone"
        )
        last = max([*lease.renewals, lease.grant or call], key=lambda one: one.asked)
        begun = (lease.grant or last).done
        life = ((begun, lease.touched, "held"), (lease.touched, since + span, "maybe"))
        return _anomaly("lease outlived its time", text, lease, (last, call), call, life)


def _anomaly(
    name: str, text: str, lease: Lease, calls: Iterable[Call], culprit: Call, life: Iterable[Stretch] = ()
) -> Anomaly:
    """Return the anomaly; `life` is when the lease was alive for certain ("held") and when it may have been."""
    grant, life = lease.grant, tuple(life)
    events = {index for call in (*calls, *([grant] if grant else [])) for index in call.events}
    owner = grant or culprit
    intervals = [
        Hold(process=owner.process, node=owner.node, from_s=begin / _NS, to_s=end / _NS, kind=kind)
        for begin, end, kind in life
        if begin < end
    ]
    return Anomaly(
        name=name,
        sentence=text,
        key=lease.name,
        events=sorted(events),
        culprit=min(culprit.events),
        detail=Holds(intervals=intervals, marks=_marks(name, lease, culprit, life)),
    )


def _marks(name: str, lease: Lease, culprit: Call, life: Iterable[Stretch]) -> list[Mark]:
    """The moments of the lease that its story is made of, in order of time."""
    seen = {
        "lease lost too early": "not there any more",
        "lease renewed after its end": "renewed all the same",
    }
    renewed = [
        call for call in lease.renewals if call.ok and call.done <= culprit.done and call is not culprit
    ]
    marks = [(call.done, f"renewed by {_who(call)}") for call in renewed[-_MARKS_MAX:]]
    marks += [(call.done, f"revoked by {_who(call)}") for call in lease.revokes if call.ok]
    marks += [(lease.grant.done, "granted")] if lease.grant is not None else []
    marks += [(end, "promised until" if kind == "held" else "must be gone by") for _, end, kind in life]
    marks.append((culprit.done, f"{_who(culprit)}: {seen.get(name, 'still there')}"))
    return [Mark(at / _NS, what) for at, what in sorted(marks) if at != NEVER]


def _who(call: Call) -> str:
    return f"p{call.process}"


def _at(moment: int) -> str:
    return f"{moment / _NS:.3f} s"
