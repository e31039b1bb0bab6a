"""Clusters that the runs of a campaign use one after the other: parked by one run, taken over by the next.

A campaign runs each test in a separate process, in one of its slots. It holds its own ledger all its life; a
run that ends in good order wipes its cluster, marks it as parked for that campaign and slot, and lets its lock go. The
next run of the slot takes the lock, and with it the cluster. What is parked for a campaign whose lock is free is swept
like everything else that the dead leave.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

import msgspec

from quorate.harness.cluster import identity, ledger
from quorate.harness.cluster.ledger import Ledger, Record
from quorate.harness.cluster.sweep import remove, sweep
from quorate.harness.core.clock import until_blocking
from quorate.harness.core.outcome import Broken

SLOT_VARIABLE: Final = "QUORATE_CLUSTER_SLOT"
CAMPAIGN_VARIABLE: Final = "QUORATE_CAMPAIGN"
_WAIT_S: Final = 2.0  # a sweep of another run may look into the ledger just now
_POLL_S: Final = 0.01

_campaigns: list[str] = []  # of this process, the innermost last


class Slot(msgspec.Struct, frozen=True):
    """One campaign's slot, and what its cluster is made of: a run takes over only what is exactly as it wants it."""

    campaign: str
    number: str
    image: str
    count: int
    by_exec: bool


class Cast(msgspec.Struct, frozen=True):
    """A cluster as its ledger remembers it: the slot it fits, the first address, how its nodes look when untouched."""

    slot: Slot
    network_address: str
    untouched: str


@contextlib.contextmanager
def campaign() -> Iterator[None]:
    """Let the runs that this process starts hand on their clusters; at the end remove those that are parked."""
    try:
        book = Ledger.open(identity.new_run_id())
    except Broken:  # nowhere to write down what lives: then every run makes its own cluster
        yield
        return
    _campaigns.append(book.run_id)
    try:
        yield
    finally:
        _campaigns.remove(book.run_id)
        book.remove()
        sweep()


def environment(slot: int) -> dict[str, str]:
    """Return what gives a run of this process' campaign its slot; without a campaign it has only the number."""
    named = {CAMPAIGN_VARIABLE: _campaigns[-1]} if _campaigns else {}
    return {SLOT_VARIABLE: str(slot), **named}


def wanted(image: str, count: int, *, by_exec: bool) -> Slot | None:
    """Return the slot that this process runs in, None outside of a campaign that lives."""
    owner, number = os.environ.get(CAMPAIGN_VARIABLE, ""), os.environ.get(SLOT_VARIABLE, "")
    if not number or not identity.is_run_id(owner) or not ledger.is_alive(owner):
        return None
    return Slot(owner, number, image, count, by_exec)


def take(slot: Slot, run_id: str) -> tuple[Ledger, Cast] | None:
    """Take over the cluster parked for this slot; one that does not fit is removed. None where there is none.

    From then on it is this process' own: no other run can have it, and it is swept if this process dies.
    """
    for path in ledger.ledgers():
        cast = _cast_in(ledger.peek(path))
        if cast is None or (cast.slot.campaign, cast.slot.number) != (slot.campaign, slot.number):
            continue
        book = _taken(path.stem)
        if book is None:
            continue  # in use, or gone
        book.record(ledger.TAKEN, run_id)
        if cast.slot == slot:
            return book, cast
        drop(book)
    return None


def drop(book: Ledger) -> None:
    """Remove a cluster that was taken over and cannot be used."""
    path = ledger.runs_directory() / f"{book.run_id}.jsonl"
    book.release()
    with ledger.claim_dead(path) as dead:
        if dead is not None:
            remove(dead)


def park(book: Ledger, cast: Cast, *, known: bool) -> bool:
    """Leave a wiped cluster to the slot's next run and let go of it; False where the campaign is gone meanwhile.

    `known` says that the ledger has the cast already: the cluster itself was taken over.
    """
    if not ledger.is_alive(cast.slot.campaign):
        return False
    if not known:
        book.record(ledger.SLOT, msgspec.json.encode(cast).decode())
    book.record(ledger.PARKED, cast.slot.campaign)
    book.release()
    return True


def _taken(run_id: str) -> Ledger | None:
    path = ledger.runs_directory() / f"{run_id}.jsonl"

    def take() -> tuple[Ledger | None, bool]:
        book = Ledger.take(path)
        return book, book is not None or ledger.parked_for(ledger.peek(path)) is None

    return until_blocking(take, lambda found: found[1], deadline_s=_WAIT_S, poll_s=_POLL_S)[0]


def _cast_in(records: list[Record]) -> Cast | None:
    found = [record.name for record in records if record.kind == ledger.SLOT]
    return msgspec.json.decode(found[0], type=Cast) if found else None
