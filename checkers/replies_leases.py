"""Definitions of anomalies of leases, by the clock: what was certainly alive, and what certainly dead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from quorate.checkers.replies_record import Case, Record, Reply

_MS: Final = 1_000_000
# For a service on a busy machine to end what is over.
_SLACK_MS: Final = 5_000
_LOOKS: Final = ("look", "rest")
_KEEPS: Final = ("grant", "renew")


def _looks(case: Case) -> Iterator[Reply]:
    return (reply for reply in case.replies if reply.ok and reply.call.f in _LOOKS)


def _shows(look: Reply, name: str) -> bool:
    return name in look.end.value["names"]


def _grant(record: Record, name: str) -> Reply | None:
    return next((reply for reply in record.of("grant") if reply.call.key == name), None)


def _ended(case: Case) -> Iterator[Reply]:
    """What says that the lease had ended: a look without its key, or a renewal that was refused for that."""
    for reply in case.replies:
        refused = reply.end.type == "fail" and reply.call.f == "renew" and reply.call.key == case.key
        if refused and reply.end.error and reply.end.error[0] == "lease-gone":
            yield reply
    yield from (look for look in _looks(case) if not _shows(look, str(case.key)))


def _lost(record: Record, case: Case) -> bool:
    """It had ended while the last renewal that was acknowledged was still good, and no client had revoked it."""
    grant = _grant(record, str(case.key))
    if grant is None:
        return False
    promised = grant.end.value
    sooner, relay = (0, 0) if case.strict else (promised["sooner_ms"], promised["relay_ms"])
    span = (promised["ttl_ms"] - sooner) * _MS
    kept = [grant, *(one for one in record.of("renew") if one.call.key == case.key)]
    revoked = [call.time for call in record.calls if call.f == "revoke" and call.key == case.key]
    for gone in _ended(case):
        asked = [one for one in kept if one.call.time <= gone.end.time]
        # A renewal that servers pass on counts once another was asked for so long after its answer.
        heard = max((one.call.time for one in asked), default=0) - relay * _MS
        good = [one for one in asked if not relay or one is grant or one.end.time <= heard]
        known = grant.end.time < gone.call.time or _was_there(record, str(case.key), gone)
        end = max((one.call.time for one in good), default=0) + span
        if good and known and gone.end.time < min([end, *revoked]):
            return True
    return False


def _was_there(record: Record, name: str, gone: Reply) -> bool:
    """Whether a look had shown the key before this one was asked for."""
    return any(_shows(look, name) and look.before(gone) for look in record.of(*_LOOKS))


def _renewed_dead(record: Record, case: Case) -> bool:
    """A renewal was asked for after the end, by a look or a revocation, and acknowledged."""
    name = str(case.key)
    ends = [
        look
        for look in _looks(case)
        if not _shows(look, name) and (_was_there(record, name, look) or _granted_before(record, name, look))
    ]
    ends += [one for one in case.replies if one.ok and one.call.f == "revoke" and one.call.key == name]
    renewals = [one for one in case.replies if one.ok and one.call.f == "renew" and one.call.key == name]
    return any(end.end.time < renewal.call.time for end in ends for renewal in renewals)


def _granted_before(record: Record, name: str, look: Reply) -> bool:
    grant = _grant(record, name)
    return grant is not None and grant.end.time < look.call.time


def _unowned(record: Record, case: Case) -> bool:
    """A key was shown whose lease no grant can have made."""
    name = str(case.key)
    failed = {reply.call.index for reply in record.replies if reply.end.type == "fail"}
    asked = any(call.f == "grant" and call.key == name and call.index not in failed for call in record.calls)
    return not asked and any(_shows(look, name) for look in _looks(case))


def _came_back(record: Record, case: Case) -> bool:
    """A look that was asked for after another had seen the key gone shows it."""
    name = str(case.key)
    looks = list(_looks(case))
    return any(
        not _shows(gone, name)
        and _shows(look, name)
        and gone.end.time < look.call.time
        and (_was_there(record, name, gone) or _granted_before(record, name, gone))
        for gone in looks
        for look in looks
    )


def _after_revocation(record: Record, case: Case) -> bool:
    """A look that was asked for after the revocation had been acknowledged shows the key, of no older state."""
    del record
    name = str(case.key)
    revokes = [one for one in case.replies if one.ok and one.call.f == "revoke" and one.call.key == name]
    return any(
        _shows(look, name)
        and revoke.end.time < look.call.time
        and (revoke.end.version or 0) <= (look.end.version or 0)
        for look in _looks(case)
        for revoke in revokes
    )


def _outlived(record: Record, case: Case) -> bool:
    """A key was shown so long after anything can have kept it, under one leader since then, without faults."""
    name = str(case.key)
    grant = _grant(record, name)
    spans = [one.end.value for one in ([grant] if grant else record.of("grant"))]
    if not spans:
        return False
    later = max(one["ttl_ms"] + (0 if case.strict else one["later_ms"]) for one in spans)
    span = (later + _SLACK_MS) * _MS
    touched = [
        reply.end.time
        for reply in record.replies
        if reply.call.f not in _LOOKS and reply.call.key == name and not _without_effect(reply)
    ]
    answered = {reply.call.index for reply in record.replies}
    waiting = any(
        call.key == name and call.f not in _LOOKS and call.index not in answered for call in record.calls
    )
    for look in _looks(case):
        term, rest = look.end.value["term"], look.call.f == "rest"
        if term is None or waiting or not _shows(look, name):
            continue
        if not rest and record.first_fault is not None and look.end.time >= record.first_fault:
            continue
        since = [
            one.end.time
            for one in record.of("rest" if rest else "look")
            if one.end.value["term"] == term and one.end.time < look.call.time
        ]
        if since and look.call.time > max([min(since), *touched]) + span:
            return True
    return False


def _without_effect(reply: Reply) -> bool:
    """Whether this certainly kept nothing alive: a grant that was refused, a renewal of what had ended."""
    gone = reply.end.type == "fail" and (reply.end.error or [""])[0] == "lease-gone"
    return gone or (reply.call.f == "grant" and reply.end.type == "fail")


def _torn(record: Record, case: Case) -> bool:
    """A look saw some of its keys, and fewer or more than every grant of the run had."""
    name = str(case.key)
    keys = max((int(reply.end.value.get("keys", 0)) for reply in record.of("grant")), default=0)
    for look in _looks(case):
        seen = [*look.end.value["names"], *look.end.value.get("beside", ())]
        own = [key for key in seen if key == name or key.startswith(f"{name}+")]
        if keys and own and len(own) != keys:
            return True
    return False


DEFINITIONS: Final[Mapping[str, Callable[[Record, Case], bool]]] = {
    "lease lost too early": _lost,
    "lease torn": _torn,
    "lease renewed after its end": _renewed_dead,
    "key without a lease": _unowned,
    "lease came back": _came_back,
    "lease outlived its revocation": _after_revocation,
    "lease outlived its time": _outlived,
}
