"""Reads that wait for a majority to confirm that the leader still leads (read index)."""

from __future__ import annotations

from quorate.harness.systems.simulated.commands import Answer, Command


class PendingReads:
    """A read may be answered once a majority has answered a round that began after the read arrived."""

    def __init__(self, majority: int) -> None:
        self._majority = majority
        self._round = 0
        self._fresh: list[tuple[Command, Answer]] = []
        self._waiting: list[tuple[int, Command, Answer]] = []
        self._latest: dict[str, int] = {}

    def clear(self) -> list[Answer]:
        """Forget all; return those who wait for an answer. Rounds keep counting: old answers confirm nothing."""
        lost = [answer for _, _, answer in self._waiting] + [answer for _, answer in self._fresh]
        self._fresh, self._waiting, self._latest = [], [], {}
        return lost

    def add(self, command: Command, answer: Answer) -> None:
        """Accept a read; it waits for the next round."""
        self._fresh.append((command, answer))

    def begin_round(self) -> int:
        """Return the number of a new round."""
        self._round += 1
        self._waiting += [(self._round, command, answer) for command, answer in self._fresh]
        self._fresh = []
        return self._round

    def heard(self, peer: str, number: int) -> None:
        """Take note that a peer follows the leader in this round."""
        self._latest[peer] = max(self._latest.get(peer, 0), number)

    def ready(self, *, alone: bool) -> list[tuple[Command, Answer]]:
        """Return the reads that are confirmed; `alone`: a leader that asks no other replica (a bug)."""
        if not self._waiting:
            return []
        confirmed = self._round if alone or self._majority == 1 else self._confirmed()
        ready = [(command, answer) for number, command, answer in self._waiting if number <= confirmed]
        self._waiting = [each for each in self._waiting if each[0] > confirmed]
        return ready

    def _confirmed(self) -> int:
        """Return the latest round that a majority, the leader included, has answered."""
        rounds = sorted(self._latest.values(), reverse=True)
        others = self._majority - 1
        return rounds[others - 1] if len(rounds) >= others else 0
