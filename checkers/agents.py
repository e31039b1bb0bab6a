"""Agents: what one acknowledged is in its own list from then on, and reaches the catalogue by and by.

The agent is the authority for what was registered with it, keeps it over restarts, and updates the catalogue: now if
it can, else later (Consul: anti-entropy). No bound is given for later, so a catalogue that has not come up to its
agents by the end proves nothing; it is not an anomaly.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from quorate.checkers.derived import Derived, decided
from quorate.checkers.replays import shown_by
from quorate.checkers.replies import confirmed
from quorate.harness.core.verdict import Anomaly, Limits, Result
from quorate.harness.history import Event, History, Operation


class AgentsAreAuthoritative:
    """Each service of each agent is a register; the catalogue has only these, and the same in the end.

    Functions: `announce` (key: the service, value or None), `compare` and `settle` (completion: {"agent", "catalog"},
    of `settle` also where it was refused because they differ). An announcement without an answer counts for every agent
    where it is unknown which one it was for.
    """

    name = "agents-are-authoritative"

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; unknown where a catalogue has not settled, or no agent was looked at."""
        started = time.perf_counter()
        operations = history.operations()
        looks = list(_looks(operations))
        derived = _as_registers(operations, looks)
        order = derived.judge(limits, "the agent")
        missing = _unsettled(operations) if looks else "no agent was looked at"
        stats = {
            "looks": len(looks),
            "behind": sum(look.agent != look.catalog for look in looks),
            "reads": derived.reads,
        }
        found = list(_strangers(operations, looks))
        word = decided(self.name, order, found, missing, operations=len(looks), started=started, stats=stats)
        return confirmed(word, history)


class Look(msgspec.Struct, frozen=True):
    """What an agent had, and the catalogue of it."""

    member: str
    agent: dict[str, Any]
    catalog: dict[str, Any]
    begun: Event
    ended: Event


def _looks(operations: Sequence[Operation]) -> Iterator[Look]:
    for one in operations:
        end = one.completion
        if one.invoke.f not in {"compare", "settle"} or end is None or not isinstance(end.value, dict):
            continue
        member = end.node or one.invoke.node
        if member is not None and "agent" in end.value:
            yield Look(member, end.value["agent"], end.value["catalog"], one.invoke, end)


def _as_registers(operations: Sequence[Operation], looks: Sequence[Look]) -> Derived:
    members = sorted({look.member for look in looks})
    services = sorted({one.invoke.key for one in operations if one.invoke.f == "announce"})
    derived = Derived()
    for one in operations:
        call, end = one.invoke, one.completion
        if call.f != "announce" or one.outcome == "fail":
            continue
        member = (end.node if end is not None else None) or call.node
        for place in members if member is None else (member,):
            derived.write(f"{place}/{call.key}", call.value, call, end if one.outcome == "ok" else None)
    for look in looks:
        for service in services:
            value = look.agent.get(service)
            derived.read(f"{look.member}/{service}", value, look.begun.time, look.ended.time, look.ended)
    return derived


def _strangers(operations: Sequence[Operation], looks: Sequence[Look]) -> Iterator[Anomaly]:
    """Services of the catalogue that no agent registered."""
    asked = {(one.invoke.key, one.invoke.value) for one in operations if one.invoke.f == "announce"}
    for look in looks:
        for service, value in look.catalog.items():
            if (service, value) not in asked:
                text = f"the catalogue has {service} = {value} of {look.member}, which was never registered"
                yield shown_by("catalogue shows what was not announced", text, look.ended)


def _unsettled(operations: Sequence[Operation]) -> str:
    """Why the end proves nothing: an agent whose catalogue had not come up to it when it was last asked."""
    last: dict[str, bool] = {}
    for one in operations:
        member = one.completion.node or one.invoke.node if one.completion is not None else None
        if one.invoke.f == "settle" and member is not None:
            last[member] = last.get(member, False) or one.outcome == "ok"
    late = sorted(member for member, settled in last.items() if not settled)
    return f"the catalogue had not come up to the agents of {', '.join(late)} by the end" if late else ""
