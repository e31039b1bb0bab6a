"""One replica: Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", 2014).

Elections with terms, commit by majority, reads confirmed by a round of a majority (the paper's section 8), and a
leader that steps down when it hears from no majority. Log, term and vote survive a crash; the rest does not. It has
neither snapshots nor changes of membership.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import Final

import msgspec

from quorate.harness.core.outcome import Refused, Reply, Unknown
from quorate.harness.systems.simulated.bugs import Bugs
from quorate.harness.systems.simulated.commands import (
    NOTHING,
    READS,
    SESSION_READS,
    Answer,
    Command,
    Entry,
    Outcome,
)
from quorate.harness.systems.simulated.deadlines import Deadlines
from quorate.harness.systems.simulated.messages import (
    Append,
    AppendAnswer,
    Forward,
    ForwardAnswer,
    Message,
    Vote,
    VoteAnswer,
)
from quorate.harness.systems.simulated.reads import PendingReads
from quorate.harness.systems.simulated.store import Store

HEARTBEAT_S: Final = 0.05
ELECTION_S: Final = (0.15, 0.30)
NO_LEADER_S: Final = 0.3
ABORT_S: Final = 0.03


class Disk:
    """What survives a crash."""

    def __init__(self) -> None:
        self.term = 0
        self.vote: str | None = None
        self.log: list[Entry] = [Entry(0, Command(NOTHING))]  # position 0 is before the first
        # What a bug made the server that runs now apply in the place of an entry; only for whoever explains a run.
        self.altered: dict[int, Command] = {}


class Replica:
    """A running server process. `send(to, message)` may lose messages; `closed` are sessions that are gone."""

    def __init__(
        self,
        name: str,
        peers: Sequence[str],
        disk: Disk,
        *,
        send: Callable[[str, Message], None],
        rng: Random,
        bugs: Bugs,
        closed: Collection[str],
        session_reads: bool = False,
    ) -> None:
        self.name = name
        self.peers = peers
        self.disk = disk
        disk.altered = {}
        self.store = Store()
        self.role = "follower"
        self.leader: str | None = None
        self.commit = 0
        self.applied = 0
        self.paused = False
        self._majority = (len(peers) + 1) // 2 + 1
        self._send = send
        self._rng = rng
        self._bugs = bugs
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._dead = False
        self._timer: asyncio.TimerHandle | None = None
        self._missed: list[Callable[[], None]] = []
        self._votes: set[str] = set()
        self._next: dict[str, int] = {}
        self._match: dict[str, int] = {}
        self._heard_s: dict[str, float] = {}
        self._reads = PendingReads(self._majority)
        self._proposed: dict[int, tuple[int, Answer]] = {}
        self._waiting: list[tuple[float, Command, Answer]] = []
        self._forwarded: dict[int, Answer] = {}
        self._forwards = 0
        self._tentative: dict[tuple[str, str], Command] = {}
        self._session_reads = session_reads
        self._behind: list[tuple[Command, Answer]] = []
        self._expiring: set[tuple[str, str]] = set()
        self._deadlines = Deadlines(bugs)
        self._reset_election()

    # Life: what the operating system does to the process.

    def die(self) -> None:
        """Be killed."""
        self._dead = True
        if self._timer is not None:
            self._timer.cancel()

    def pause(self) -> None:
        """Be stopped: messages and timers wait."""
        self.paused = True

    def resume(self) -> None:
        """Continue, with everything that waited happening at once."""
        self.paused = False
        missed, self._missed = self._missed, []
        for work in missed:
            self._when_awake(work)

    def _when_awake(self, work: Callable[[], None]) -> None:
        if self._dead:
            return
        if self.paused:
            self._missed.append(work)
        else:
            work()

    def _set_timer(self, seconds: float, work: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._when_awake, work)

    # Messages.

    def receive(self, source: str, message: Message) -> None:
        """Accept a message from a peer."""
        self._when_awake(lambda: self._handle(source, message))

    def _handle(self, source: str, message: Message) -> None:
        match message:
            case Forward():
                self._on_forward(source, message)
                return
            case ForwardAnswer():
                answer = self._forwarded.pop(message.number, None)
                if answer is not None:
                    answer(message.outcome)
                return
        if message.term > self.disk.term:
            self._adopt(message.term)
        match message:
            case Append():
                self._on_append(source, message)
            case AppendAnswer():
                self._on_append_answer(source, message)
            case Vote():
                self._on_vote(source, message)
            case VoteAnswer():
                self._on_vote_answer(source, message)

    def _adopt(self, term: int) -> None:
        self.disk.term, self.disk.vote = term, None
        self._follow(None)

    def _follow(self, leader: str | None) -> None:
        """Become or stay a follower; a leader that steps down no longer knows what becomes of its proposals."""
        if self.role == "leader":
            lost = [answer for _, answer in self._proposed.values()] + self._reads.clear()
            self._proposed = {}
            for answer in lost:
                answer(Unknown("leader-changed", "the leader stepped down before it knew"))
        self.role = "follower"
        if leader != self.leader:
            self.leader = leader
            self._serve_waiting()
        self._reset_election()

    # Elections.

    def _reset_election(self) -> None:
        self._set_timer(self._rng.uniform(*ELECTION_S), self._campaign)

    def _campaign(self) -> None:
        self._refuse_waiting()
        disk = self.disk
        disk.term += 1
        disk.vote = self.name
        self.role, self.leader, self._votes = "candidate", None, {self.name}
        self._reset_election()
        for peer in self.peers:
            self._send(peer, Vote(disk.term, len(disk.log) - 1, disk.log[-1].term))
        self._count_votes()

    def _on_vote(self, source: str, message: Vote) -> None:
        disk = self.disk
        newer = (message.last_term, message.last_index) >= (disk.log[-1].term, len(disk.log) - 1)
        granted = message.term == disk.term and disk.vote in {None, source} and newer
        if granted:
            disk.vote = source
            self._reset_election()
        self._send(source, VoteAnswer(disk.term, granted))

    def _on_vote_answer(self, source: str, message: VoteAnswer) -> None:
        if self.role == "candidate" and message.granted and message.term == self.disk.term:
            self._votes.add(source)
            self._count_votes()

    def _count_votes(self) -> None:
        if len(self._votes) < self._majority:
            return
        now = self._loop.time()
        self.role, self.leader = "leader", self.name
        self._next = dict.fromkeys(self.peers, len(self.disk.log))
        self._match = dict.fromkeys(self.peers, 0)
        self._heard_s = dict.fromkeys(self.peers, now)
        self._reads.clear()
        self._expiring.clear()
        self._deadlines.restart(self.store.leases(), now)
        self._append(Command(NOTHING))
        self._heartbeat()
        self._serve_waiting()

    # Replication.

    def _heartbeat(self) -> None:
        """Keep followers, expire sessions that are gone, and step down when cut off for an election's time."""
        now = self._loop.time()
        heard = 1 + sum(now - self._heard_s[peer] < ELECTION_S[1] for peer in self.peers)
        if heard < self._majority and not self._bugs.strikes("split-brain"):
            self._follow(None)
            return
        for space, key, session in self.store.owners():
            if session in self._closed and (space + key, session) not in self._expiring:
                self._expiring.add((space + key, session))
                self._append(Command("expire" if space == "lock" else "depose", key, session))
        for key in self._deadlines.over(now):
            self._append(Command("lapse", key))
        self._broadcast()
        self._set_timer(HEARTBEAT_S, self._heartbeat)

    def _append(self, command: Command) -> int:
        self.disk.log.append(Entry(self.disk.term, command))
        return len(self.disk.log) - 1

    def _broadcast(self) -> int:
        """Send each follower what it lacks; return the round's number."""
        number = self._reads.begin_round()
        for peer in self.peers:
            self._send_entries(peer, number)
        self._advance()
        return number

    def _send_entries(self, peer: str, number: int) -> None:
        log = self.disk.log
        previous = self._next[peer] - 1
        entries = tuple(log[previous + 1 :])
        self._next[peer] = len(log)
        self._send(peer, Append(self.disk.term, previous, log[previous].term, entries, self.commit, number))

    def _on_append(self, source: str, message: Append) -> None:
        disk = self.disk
        if message.term < disk.term:
            self._send(source, AppendAnswer(disk.term, fits=False, match=0, round=0))
            return
        self._follow(source)
        log, previous = disk.log, message.previous_index
        if previous >= len(log) or log[previous].term != message.previous_term:
            known = min(len(log) - 1, max(0, previous - 1))
            self._send(source, AppendAnswer(disk.term, fits=False, match=known, round=message.round))
            return
        for position, entry in enumerate(message.entries, previous + 1):
            if position < len(log) and log[position].term != entry.term:
                del log[position:]
                if position <= self.applied:  # only with the bug split-brain: what was answered is taken back
                    self.store, self.applied, self.commit = Store(), 0, position - 1
            if position >= len(log):
                log.append(entry)
        match = previous + len(message.entries)
        self.commit = max(self.commit, min(message.commit, match))
        self._apply()
        self._send(source, AppendAnswer(disk.term, fits=True, match=match, round=message.round))

    def _on_append_answer(self, source: str, message: AppendAnswer) -> None:
        if self.role != "leader" or message.term != self.disk.term:
            return
        self._heard_s[source] = self._loop.time()
        if not message.fits:
            self._next[source] = min(self._next[source], message.match + 1)
            self._send_entries(source, message.round)
            return
        self._match[source] = max(self._match[source], message.match)
        self._next[source] = max(self._next[source], message.match + 1)
        self._reads.heard(source, message.round)
        self._advance()

    def _advance(self) -> None:
        """Commit what a majority has, if it is of this term; answer what that settles."""
        disk = self.disk
        have = sorted([len(disk.log) - 1, *self._match.values()], reverse=True)
        committed = have[0] if self._bugs.name == "split-brain" else have[self._majority - 1]
        if committed > self.commit and disk.log[committed].term == disk.term:
            self.commit = committed
            self._apply()
        if disk.log[self.commit].term == disk.term:
            for command, answer in self._reads.ready(alone=self._bugs.name == "split-brain"):
                answer(self._query(command))

    def _apply(self) -> None:
        log = self.disk.log
        while self.applied < self.commit:
            self.applied += 1
            entry = log[self.applied]
            proposed = self._proposed.pop(self.applied, None)
            command = (
                entry.command if proposed is not None else self._bugs.elsewhere(entry.command, self.store)
            )
            if proposed is not None:
                self._bugs.applies(command, self.store)
            if command is not entry.command:
                self.disk.altered[self.applied] = command
            outcome = self.store.apply(self.applied, command)
            if command.f == "grant" and self.role == "leader":
                self._deadlines.start(command.key, command.argument[0], self._loop.time())
            if proposed is not None:
                term, answer = proposed
                answer(outcome if term == entry.term else Unknown("leader-changed"))
        self._answer_behind()

    def _answer_behind(self) -> None:
        if not self._behind:
            return
        ready = [each for each in self._behind if each[0].seen <= self.applied]
        self._behind = [each for each in self._behind if each[0].seen > self.applied]
        for command, answer in ready:
            answer(self._query(command))

    # Clients.

    def serve(self, command: Command, answer: Answer) -> None:
        """Accept a client's request; `answer` is called at most once."""
        self._when_awake(lambda: self._serve(command, answer))

    def _serve(self, command: Command, answer: Answer) -> None:
        if self._bugs.name == "stale-read" and command.f in READS:
            if self.role != "leader":
                self._bugs.count()
            answer(self._query(command))
        elif self._session_reads and command.f in SESSION_READS:
            self._answer_session(command, answer)
        elif self.role == "leader":
            self._lead(command, answer)
        elif self.leader is not None:
            self._forwards += 1
            self._forwarded[self._forwards] = answer
            self._send(self.leader, Forward(self._forwards, command))
        else:
            self._waiting.append((self._loop.time(), command, answer))

    def _answer_session(self, command: Command, answer: Answer) -> None:
        """Answer from the applied state, once it holds everything that the session has seen."""
        if self.applied >= command.seen or self._bugs.strikes("session-forgotten"):
            answer(self._query(command))
        else:
            self._behind.append((command, answer))

    def _lead(self, command: Command, answer: Answer) -> None:
        if command.f in READS:
            self._reads.add(command, answer)
            self._broadcast()
        elif self._bugs.aborts(command):
            self._show_and_refuse(command, answer)
        else:
            index = self._append(self._bugs.twist(command, self.store))
            self._proposed[index] = (self.disk.term, answer)
            self._broadcast()
            again_s = self._bugs.again_after_s(command)
            if again_s is not None:
                self._loop.call_later(again_s, self._when_awake, lambda: self._propose_again(command))

    def _propose_again(self, command: Command) -> None:
        if self.role == "leader":
            self._append(command)
            self._broadcast()

    def _show_and_refuse(self, command: Command, answer: Answer) -> None:
        """Bug dirty-read: readers see the write at once; then it is refused, and gone."""
        place = (command.f, command.key)
        self._tentative[place] = command

        def refuse() -> None:
            if self._tentative.get(place) is command:
                del self._tentative[place]
            answer(Refused("aborted"))

        self._loop.call_later(ABORT_S, self._when_awake, refuse)

    def _query(self, command: Command) -> Outcome:
        if command.f == "renew":
            return self._deadlines.renew(command, self.store, self._loop.time())
        reply = self.store.query(self._bugs.ask(command))
        if not isinstance(reply, Reply) or command.f in {"listing", "names"}:
            return reply
        if command.f == "granted":
            return msgspec.structs.replace(reply, value={"names": reply.value, "term": self.disk.term})
        tentative = self._tentative.get(("write" if command.f == "read" else "add", command.key))
        if tentative is not None:
            seen = tentative.argument
            value = seen if command.f == "read" else sorted([*reply.value, seen])
            reply = msgspec.structs.replace(reply, value=value)
        return self._bugs.answer(reply)

    def _on_forward(self, source: str, message: Forward) -> None:
        def answer(outcome: Outcome) -> None:
            self._send(source, ForwardAnswer(message.number, outcome))

        if self.role == "leader":
            self._lead(message.command, answer)
        else:
            answer(Refused("not-leader", f"{self.name} does not lead"))

    def _serve_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for _, command, answer in waiting:
            self._serve(command, answer)

    def _refuse_waiting(self) -> None:
        """Refuse clients that waited long enough for a leader: nothing was done."""
        oldest = self._loop.time() - NO_LEADER_S
        late = [answer for since, _, answer in self._waiting if since <= oldest]
        self._waiting = [each for each in self._waiting if each[0] > oldest]
        for answer in late:
            answer(Refused("no-leader", "no leader was elected in time"))
