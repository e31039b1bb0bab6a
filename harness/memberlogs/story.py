"""Explains an anomaly from the members' side: its operations' entries, who has them, what each did with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from quorate.harness.core.evidence import Divergence
from quorate.harness.core.memberlog import LogEntry, MemberLog
from quorate.harness.core.story import Story, Told, Why
from quorate.harness.core.verdict import Anomaly, Result
from quorate.harness.history import History
from quorate.harness.history.event import Event, Operation
from quorate.harness.memberlogs import operations
from quorate.harness.memberlogs.behind import answers_from_before
from quorate.harness.memberlogs.joined import Did, Joined, listed

_OPERATIONS_MAX: Final = 6
_ENTRIES_MAX: Final = 4
_ANOMALIES_MAX: Final = 50
_ACTION_MAX: Final = 240


def tell(history: History, guarantees: Sequence[Result], logs: Sequence[MemberLog]) -> Why:
    """Explain each anomaly (the first fifty) of the guarantees."""
    if not logs:
        return Why(reason="the run kept no logs of its members")
    joined = Joined(logs)
    stories: list[Story] = []
    for guarantee in guarantees:
        for anomaly in guarantee.anomalies:
            if len(stories) < _ANOMALIES_MAX:
                stories.append(_story(history, joined, guarantee.guarantee, anomaly))
    return Why(tuple(_member(log) for log in joined.logs.values()), tuple(stories))


def _story(history: History, joined: Joined, guarantee: str, anomaly: Anomaly) -> Story:
    found = operations.of_events(history, anomaly.events)[:_OPERATIONS_MAX]
    sentences: list[str] = []
    indexes: dict[int, None] = {}
    for operation in found:
        for sentence, touched in _operation(joined, operation):
            sentences.append(sentence)
            indexes |= dict.fromkeys(touched)
    behind = answers_from_before(joined, found)
    sentences += behind
    before = _horizon(joined, found)
    nodes = _nodes(found, anomaly)
    told = _chosen(joined, indexes, before, nodes)
    sentences += [_effects(joined, index) for index in told]
    sentences += _rest(joined, told, before, nodes)
    sentences += _conclusion(joined, found, told, behind)
    return Story(
        guarantee=guarantee,
        anomaly=anomaly.name,
        says=anomaly.sentence,
        key=anomaly.key,
        culprit=anomaly.culprit,
        sentences=tuple(dict.fromkeys(sentences)),
        entries=tuple(_told(joined, index) for index in told),
    )


def _nodes(found: Sequence[Operation], anomaly: Anomaly) -> set[str]:
    """The members that the anomaly is about."""
    named = anomaly.detail.nodes if isinstance(anomaly.detail, Divergence) else ()
    asked = {node for one in found for node in [operations.node(one)] if node}
    return asked | set(named)


def _operation(joined: Joined, operation: Operation) -> list[tuple[str, list[int]]]:
    """Sentences on one operation, each with the indexes of the entries that it speaks of."""
    who = f"p{operation.invoke.process}"
    found = []
    for key, value in operations.written(operation.invoke):
        indexes = joined.asking(key, value)
        what = f"{who}'s write of {_text(value)} to {key} ({_ended(operation)})"
        found.append((f"{what} is {_entries(joined, indexes)}", indexes))
    for key, value in operations.seen(operation)[-1:]:
        indexes = joined.asking(key, value)
        found.append(
            (
                f"the {_text(value)} that {who} saw in {key} was written by {_entries(joined, indexes)}",
                indexes,
            )
        )
    end = operation.completion
    if (
        end is not None
        and end.type == "ok"
        and end.version is not None
        and operations.node(operation) in joined.logs
    ):
        found += _revision(joined, end, who, str(operations.node(operation)))
    return found


def _revision(joined: Joined, end: Event, who: str, node: str) -> list[tuple[str, list[int]]]:
    """The entry that made the revision that the client saw, where it is not the same entry on all members."""
    revision = end.version or 0
    makers = {member: joined.making(member, revision) for member in joined.logs}
    own = makers.get(node)
    if own is None or len({entry.index for entry in makers.values() if entry is not None}) <= 1:
        return []
    groups = _grouped(
        {member: f"entry {joined.says(one.index)}" for member, one in makers.items() if one is not None}
    )
    made = "; ".join(f"{what} on {listed(members)}" for what, members in groups.items())
    return [(f"revision {joined.says(revision)}, which {who} saw at {node}, was made by {made}", [])]


def _entries(joined: Joined, indexes: Sequence[int]) -> str:
    if not indexes:
        return "no entry of any member's log"
    says = [joined.says(index) for index in indexes]
    return f"entry {says[0]}" if len(says) == 1 else f"entries {listed(says)}"


def _ended(operation: Operation) -> str:
    end = operation.completion
    if end is None:
        return "never answered"
    if end.type == "ok":
        return "acknowledged"
    outcome = "refused" if end.type == "fail" else "outcome unknown"
    return f"{outcome}: {end.error[0]}" if end.error else outcome


def _horizon(joined: Joined, found: Sequence[Operation]) -> int | None:
    """The last entry that can have to do with these operations; None where nothing bounds it."""
    last = 0
    for operation in found:
        end, node = operation.completion, operations.node(operation)
        if end is not None and end.version is not None and node in joined.logs:
            entry = joined.making(str(node), end.version)
            last = max(last, entry.index if entry is not None else 0)
    return last or None


def _chosen(joined: Joined, indexes: Mapping[int, None], before: int | None, nodes: set[str]) -> list[int]:
    """The entries that are shown: those of the operations, then the nearest before them that members disagree on."""
    told = [index for index in indexes if joined.holders(index)][:_ENTRIES_MAX]
    if not any(index in joined.divergent or index in joined.conflicts for index in told):
        about = _about(joined, before, nodes)
        told += about[-_ENTRIES_MAX:] if before is not None else about[:_ENTRIES_MAX]
    return sorted(dict.fromkeys(told))


def _about(joined: Joined, before: int | None, nodes: set[str]) -> list[int]:
    """Entries up to `before` of which the nodes made different things, among them or from the others."""
    found = [*joined.divergent, *joined.conflicts]
    return sorted(
        {index for index in found if (before is None or index <= before) and _differs(joined, index, nodes)}
    )


def _differs(joined: Joined, index: int, nodes: set[str]) -> bool:
    if index in joined.conflicts:
        return True
    here = {joined.did(member, index) for member in joined.holders(index) if member in nodes}
    return len(here) > 1 or bool(here & {Did.SKIPPED, Did.REFUSED})


def _rest(joined: Joined, told: Sequence[int], before: int | None, nodes: set[str]) -> list[str]:
    more = [index for index in _about(joined, before, nodes) if index not in told]
    if not more:
        return []
    says = [joined.says(index) for index in more]
    shown = listed(says) if len(more) <= _ENTRIES_MAX else f"{says[0]} to {says[-1]}"
    what = f"entry {shown}" if len(more) == 1 else f"{len(more)} more entries ({shown})"
    return [f"{what} did not do the same on all members either"]


def _effects(joined: Joined, index: int) -> str:
    """Where an entry is, and what each member made of it."""
    if index in joined.conflicts:
        each = "; ".join(
            f"{_action(entry)} (term {entry.term}) in that of {member}"
            for member in joined.holders(index)
            if (entry := joined.entry(member, index)) is not None
        )
        return f"entry {joined.says(index)} is not the same in all logs, though it was agreed on: {each}"
    entry = joined.any_entry(index)
    through = f", given to {entry.through} by a client," if entry.through else ""
    where = f"is in {_logs(joined, index)}"
    groups = _grouped({member: _effect(joined, member, index) for member in joined.holders(index)})
    everybody = len(groups) == 1 and len(joined.holders(index)) > 1
    made = "; ".join(f"{'all' if everybody else listed(members)} {what}" for what, members in groups.items())
    return f"entry {joined.says(index)} ({_action(entry)}; term {entry.term}){through} {where}: {made}"


def _logs(joined: Joined, index: int) -> str:
    holders = joined.holders(index)
    if len(holders) == 1:
        return f"the log of {holders[0]} only"
    lacking = [member for member in joined.logs if member not in holders]
    lack = f" and not in that of {listed(lacking)}" if lacking else ""
    return f"the logs of {listed(holders)}{lack}"


def _effect(joined: Joined, member: str, index: int) -> str:  # noqa: PLR0911 - a table of words
    log, entry = joined.logs[member], joined.entry(member, index)
    assert entry is not None
    match joined.did(member, index):
        case Did.PENDING:
            return "had not applied it by the end"
        case Did.UNKNOWN:
            return "has it behind a gap of its log: what it did there is not known"
        case Did.SKIPPED:
            return f"never applied it{_restart(log, index)}"
        case Did.REFUSED:
            return f"refused it: {entry.refused}"
        case Did.NOTHING:
            return "applied it, which changed nothing"
        case Did.CHANGED if entry.revision == index:
            return "applied it"
        case Did.CHANGED:
            return f"applied it as revision {entry.revision}"


def _restart(log: MemberLog, index: int) -> str:
    """The start at which the member passed over the entry."""
    number = next((one.start for one in log.skipped if one.index == index), None)
    if number is None:
        return ""
    start = log.starts[number]
    when = f" at {start.time_s:.3f} s" if start.time_s is not None else ""
    return f", as it restarted{when} {start.says}"


def _conclusion(
    joined: Joined, operations_of: Sequence[Operation], told: Sequence[int], behind: Sequence[str]
) -> list[str]:
    """What the states at the end say of the logs, and whether the logs agree."""
    found = []
    for skipped, members in _grouped(
        {member: _skips(log) for member, log in joined.logs.items() if log.explained}
    ).items():
        states = "the state of" if len(members) == 1 else "the states of"
        is_ = "is" if len(members) == 1 else "are"
        found.append(f"{states} {listed(members)} at the end {is_} exactly what the log gives{skipped}")
    for member, log in joined.logs.items():
        if log.explained is False:
            found.append(
                f"the state of {member} at the end is not what its log gives, and no skipped entry explains it"
            )
    if not joined.divergent and not joined.conflicts:
        lost = any(
            not joined.asking(*mark) for one in operations_of for mark in operations.written(one.invoke)
        )
        idle = any(
            joined.did(member, index) is Did.NOTHING for index in told for member in joined.holders(index)
        )
        reason = "" if lost or idle or behind else ": what the clients saw does not come from the logs"
        found.append(f"the logs agree on every entry, and each did the same everywhere{reason}")
    return found


def _skips(log: MemberLog) -> str:
    if not log.skipped:
        return ""
    what = "entry" if len(log.skipped) == 1 else "entries"
    return f" without {what} {listed(log.says(one.index) for one in log.skipped)}"


def _member(log: MemberLog) -> str:
    """One member in a line."""
    if not log.entries:
        return f"{log.member}: no entries" + "".join(f"; {note}" for note in log.notes)
    applied = f", {log.says(log.applied)} applied" if log.applied is not None else ""
    restarts = len(log.starts) - 1
    parts = [f"{log.member}: entries {log.says(log.first)} to {log.says(log.last)}, term {log.term}{applied}"]
    parts += [f"restarts: {restarts}"] if restarts > 0 else []
    parts += [f"newest snapshot {log.says(log.snapshot)}"] if log.snapshot else []
    parts += [f"entries replaced by a later leader: {log.replaced}"] if log.replaced else []
    return "; ".join([*parts, *log.notes])


def _told(joined: Joined, index: int) -> Told:
    entry, holders = joined.any_entry(index), joined.holders(index)
    effects = {member: _effect(joined, member, index) for member in holders}
    return Told(index, entry.term, entry.action, tuple(holders), effects, entry.through)


def _grouped(said: Mapping[str, str]) -> dict[str, list[str]]:
    """Members by what is said of them."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for member, what in said.items():
        groups[what].append(member)
    return dict(groups)


def _action(entry: LogEntry) -> str:
    return entry.action if len(entry.action) <= _ACTION_MAX else entry.action[: _ACTION_MAX - 1] + "…"


def _text(value: Any) -> str:
    return str(value) if isinstance(value, (int, str)) else repr(value)
