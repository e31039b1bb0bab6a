"""Leases against the clock: alive as long as was promised, gone when nobody keeps them, never both.

All times are the clients' own, on one monotonic clock; what lies between asking and answer only ever widens what is
allowed. A lease is *certainly alive* from its grant's answer until its time to live has passed since the last renewal
that was acknowledged was asked for. It is *certainly dead* once, under one leader without faults, its time to live has
passed since the last renewal that may have happened, with what the service documents on top. Grants tell both
precisions (see `harness.capabilities.Leases`).
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from checkers.tell import varied
from harness.history import Event, History
from harness.history.event import NEMESIS
from harness.verdict import Anomaly, Limits, Result, Verdict

SLACK_MS: Final = 5_000  # for a service on a busy machine to get round to ending what is over
_NS_PER_MS: Final = 1_000_000
_NS: Final = 1e9
_NEVER: Final = 1 << 62


class Call(msgspec.Struct, frozen=True, gc=False):
    """One operation: when asked, when answered (`_NEVER`: not), its completion or, without one, its invocation."""

    asked: int
    done: int
    event: Event
    process: int | str

    @property
    def events(self) -> tuple[int, ...]:
        """The indexes of its events."""
        at = self.event.index_of_invoke
        return (self.event.index,) if at is None else (at, self.event.index)


class Lease(msgspec.Struct):
    """What is known of one lease. `touched` is when the last operation that may have kept it alive had ended."""

    name: str
    grant: Call | None = None
    maybe: bool = False  # a grant without an answer
    renewals: list[Call] = []
    refusals: list[Call] = []
    revokes: list[Call] = []
    touched: int = 0
    known: int = _NEVER  # from then on it was there
    old: int = 0  # looks at a state from before its grant


Stretch: TypeAlias = tuple[int, int, str]  # from, to (ns), and "held" or "maybe"


class Look(msgspec.Struct, frozen=True, gc=False):
    """One reading of all keys."""

    call: Call
    names: frozenset[str]
    version: int
    term: int | None
    rest: bool  # after the last heal


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
        record = _Record(history.events(), strict=self.strict)
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
        return Result(
            guarantee=self.name,
            verdict=Verdict.INVALID if found else Verdict.VALID if judged else Verdict.UNKNOWN,
            engine="intervals",
            reason=reason,
            operations=len(record.looks),
            anomalies=varied(sorted(found, key=lambda one: one.events[-1])),
            time_s=time.perf_counter() - started,
            stats={"leases": len(record.leases), "judged": judged, "violations": dict(kinds)},
        )


class _Record:
    """The history, sorted into leases and looks."""

    def __init__(self, events: Iterable[Event], *, strict: bool) -> None:
        self.strict = strict
        self.leases: dict[str, Lease] = {}
        self.looks: list[Look] = []
        self.gone: dict[str, Look] = {}  # the look that first saw a key gone
        self.first_fault = _NEVER
        asked: dict[int, Event] = {}
        for event in events:
            if event.process == NEMESIS:
                self.first_fault = min(self.first_fault, event.time)
            elif event.type == "invoke":
                asked[event.index] = event
            elif event.index_of_invoke is not None and event.index_of_invoke in asked:
                self._take(asked.pop(event.index_of_invoke), event)
        for event in asked.values():
            self._take(event, None)
        self.looks.sort(key=lambda look: look.call.asked)
        self._asked = [look.call.asked for look in self.looks]
        self._done = sorted(look.call.done for look in self.looks)
        self._find_births()
        self._find_ends()

    def _take(self, begun: Event, ended: Event | None) -> None:
        call = Call(begun.time, ended.time if ended else _NEVER, ended or begun, begun.process)
        outcome = ended.type if ended else "info"
        if begun.f in {"look", "rest"}:
            if ended is not None and outcome == "ok":
                seen = ended.value
                names = frozenset(seen["names"])
                self.looks.append(Look(call, names, ended.version or 0, seen["term"], begun.f == "rest"))
            return
        lease = self.leases.setdefault(str(begun.key), Lease(str(begun.key)))
        gone = outcome == "fail" and ended is not None and (ended.error or [""])[0] == "lease-gone"
        match begun.f, outcome:
            case "grant", "ok":
                lease.grant = call
            case "grant", "info":
                lease.maybe = True
            case "renew", "ok":
                lease.renewals.append(call)
            case "renew", _ if gone:
                lease.refusals.append(call)
            case "revoke", _:
                lease.revokes.append(call)
        if not gone and (begun.f, outcome) != ("grant", "fail"):
            lease.touched = max(lease.touched, call.done)

    def _find_births(self) -> None:
        """Find since when each key was certainly there: since its grant was answered, or it was seen."""
        for look in self.looks:
            for name in look.names:
                if name in self.leases and look.call.done < self.leases[name].known:
                    self.leases[name].known = look.call.done
        for lease in self.leases.values():
            lease.known = _NEVER if lease.grant is None else min(lease.known, lease.grant.done)

    def _find_ends(self) -> None:
        """Find the look that first saw each key gone."""
        coming = sorted(self.leases.values(), key=lambda lease: lease.known, reverse=True)
        there: set[str] = set()
        for look in self.looks:
            asked = look.call.asked
            while coming and coming[-1].known < asked:
                there.add(coming.pop().name)
            for name in there - look.names:
                lease, gone = self.leases[name], self.gone.get(name)
                if gone is not None and gone.call.done < asked:
                    there.discard(name)
                elif lease.grant is not None and look.version < (lease.grant.event.version or 0):
                    lease.old += 1  # an old read, and another guarantee's business
                elif gone is None or look.call.done < gone.call.done:
                    self.gone[name] = look

    def life(self, lease: Lease, grant: Call) -> tuple[int, list[Anomaly]]:
        """Judge the time in which the lease was certainly alive: how many looks fell into it, and what they found."""
        until = self._alive_until(lease, grant, _NEVER)[1]
        inside = bisect_left(self._done, until) - bisect_right(self._asked, lease.known)
        judged = max(0, inside - lease.old)
        gone = self.gone.get(lease.name)
        found = [] if gone is None else self._lost(lease, grant, gone.call, "saw its key gone")
        for call in lease.refusals:
            if not found and call.asked > grant.done:
                found += self._lost(lease, grant, call, "was told that it had ended")
        return judged, found + self._renewed_dead(lease)

    def _lost(self, lease: Lease, grant: Call, call: Call, how: str) -> list[Anomaly]:
        """The lease had ended by then: an anomaly if it was certainly alive, by what was asked for until then."""
        done = call.done
        last, until = self._alive_until(lease, grant, done)
        if done >= until:
            return []
        kind = "grant" if last is grant else "renewal"
        at = f" at {call.event.node}" if call.event.node else ""
        text = (
            f"lease {lease.name} was lost {(until - done) / _NS:.3f} s too early: {_who(call)} {how}{at} "
            f"at {_at(done)}, {(done - last.asked) / _NS:.3f} s after {_who(last)} asked for a {kind} that was "
            f"acknowledged"
        )
        life = ((grant.done, until, "held"),)
        return [_anomaly("lease lost too early", text, lease, (last, call), call, life)]

    def _alive_until(self, lease: Lease, grant: Call, before: int) -> tuple[Call, int]:
        """The last operation asked for until `before` that kept it alive, and until when it certainly did."""
        told = grant.event.value
        relay, sooner = (0, 0) if self.strict else (told["relay_ms"], told["sooner_ms"])
        span = (told["ttl_ms"] - sooner) * _NS_PER_MS
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
        ends += [(call, "was revoked") for call in lease.revokes if call.event.type == "ok"]
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
        coming = sorted(over, key=over.__getitem__, reverse=True)
        suspects: set[str] = set()
        told: set[str] = set()
        found = []
        for look in self.looks:
            while coming and over[coming[-1]] < look.call.asked:
                suspects.add(coming.pop())
            for name in (look.names & suspects | look.names - self.leases.keys()) - told:
                wrong = self._wrong(name, look, anchors, longest)
                if wrong is not None:
                    told.add(name)
                    found.append(wrong)
        return found

    def _over(self, lease: Lease, longest: int) -> int:
        """From when on the key must be looked at twice where it is still there."""
        if lease.grant is None and not lease.maybe:
            return -1
        gone = self.gone.get(lease.name)
        ends = [call.done for call in lease.revokes if call.event.type == "ok"]
        ends += [gone.call.done] if gone is not None else []
        return min([*ends, lease.touched + (self._span(lease) or longest)])

    def _anchors(self) -> Mapping[tuple[bool, int], int]:
        """When each leader is first known to be in office, before any fault and after the last."""
        first: dict[tuple[bool, int], int] = defaultdict(lambda: _NEVER)
        for look in self.looks:
            if look.term is not None:
                first[look.rest, look.term] = min(first[look.rest, look.term], look.call.done)
        return first

    def _span(self, lease: Lease) -> int:
        """How long nobody may keep it alive before it is certainly dead; 0 where its grant was not answered."""
        if lease.grant is None:
            return 0
        told = lease.grant.event.value
        later = 0 if self.strict else told["later_ms"]
        return int(told["ttl_ms"] + later + SLACK_MS) * _NS_PER_MS

    def _wrong(
        self, name: str, look: Look, anchors: Mapping[tuple[bool, int], int], longest: int
    ) -> Anomaly | None:
        lease, call = self.leases.get(name) or Lease(name), look.call
        saw = f"{_who(call)} saw the key of lease {name} at {_at(call.done)}"
        if lease.grant is None and not lease.maybe:
            return _anomaly("key without a lease", f"{saw}, which nobody was granted", lease, (call,), call)
        gone = self.gone.get(name)
        if gone is not None and gone.call.done < call.asked:
            if gone.version > look.version:
                return None  # an old read
            text = f"{saw}, after {_who(gone.call)} had seen it gone at {_at(gone.call.done)}"
            return _anomaly("lease came back", text, lease, (gone.call, call), call)
        for revoke in lease.revokes:
            over = revoke.event.type == "ok" and revoke.done < call.asked
            if over and (revoke.event.version or 0) <= look.version:
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
    """Make it; `life` is when the lease was alive for certain ("held") and when it may have been."""
    grant = lease.grant
    events = {index for call in (*calls, *([grant] if grant else [])) for index in call.events}
    owner = (grant or culprit).event
    intervals = [
        {
            "process": owner.process,
            "node": owner.node,
            "from_s": begin / _NS,
            "to_s": end / _NS,
            "kind": kind,
        }
        for begin, end, kind in life
        if begin < end
    ]
    return Anomaly(
        name=name,
        sentence=text,
        key=lease.name,
        events=sorted(events),
        culprit=min(culprit.events),
        detail={"intervals": intervals} if intervals else {},
    )


def _who(call: Call) -> str:
    return f"p{call.process}"


def _at(moment: int) -> str:
    return f"{moment / _NS:.3f} s"
