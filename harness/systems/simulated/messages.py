"""What replicas say to each other: Raft's two calls and their answers, and requests passed on to the leader."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from quorate.harness.systems.simulated.commands import Command, Entry, Outcome


class Vote(msgspec.Struct, frozen=True, gc=False):
    """A candidate asks for a vote."""

    term: int
    last_index: int
    last_term: int


class VoteAnswer(msgspec.Struct, frozen=True, gc=False):
    """And gets it or not."""

    term: int
    granted: bool


class Append(msgspec.Struct, frozen=True, gc=False):
    """A leader's entries after `previous_index`, or a heartbeat; `round` counts the leader's broadcasts."""

    term: int
    previous_index: int
    previous_term: int
    entries: tuple[Entry, ...]
    commit: int
    round: int


class AppendAnswer(msgspec.Struct, frozen=True, gc=False):
    """Whether they fit, and up to which index the follower now has what the leader has (or has at all)."""

    term: int
    fits: bool
    match: int
    round: int


class Forward(msgspec.Struct, frozen=True, gc=False):
    """A client's request, passed on to the leader."""

    number: int
    command: Command


class ForwardAnswer(msgspec.Struct, frozen=True, gc=False):
    """What became of it."""

    number: int
    outcome: Outcome


Message: TypeAlias = Vote | VoteAnswer | Append | AppendAnswer | Forward | ForwardAnswer
