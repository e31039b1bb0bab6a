"""The process that holds queued packets back: one for all nodes, beside the harness: neither waits for the other.

Started as `python -m nemesis.packet.listener`. Reads its orders as one line of JSON, answers "ready", and works until
its stdin is closed, which the death of the harness does as well; then it prints its counts. Packets that it holds at
its end are let go by the kernel.
"""

from __future__ import annotations

import heapq
import select
import sys
import time
from random import Random
from typing import Final

import msgspec

from quorate.harness.cluster.kernel import in_netns
from quorate.nemesis.packet.behaviour import Behaviour, decide, flip_bit
from quorate.nemesis.packet.netlink import Queue

QUEUE: Final = 20811
MARK: Final = 0x51
_IDLE_S: Final = 1.0
_EARLY_S: Final = 0.0003  # of waking from a wait
_BURST: Final = 256


class Orders(msgspec.Struct, frozen=True):
    """What to do in which network namespaces."""

    namespaces: tuple[str, ...]
    behaviour: Behaviour
    seed: int


class Counts(msgspec.Struct):
    """What was done to packets."""

    packets: int = 0
    lost: int = 0
    delayed: int = 0
    duplicated: int = 0
    corrupted: int = 0


class Listener:
    """Decides on each packet of all queues, and lets each go when it is due."""

    def __init__(self, orders: Orders) -> None:
        behaviour = orders.behaviour
        self._behaviour = behaviour
        self._rng = Random(orders.seed)
        self._begun_s = time.monotonic()
        self.counts = Counts()
        self._held: list[tuple[float, int, Queue, int, bytes | None]] = []
        self._queues = {
            queue.fileno(): queue
            for queue in (
                in_netns(path, lambda: Queue(QUEUE, payload=behaviour.needs_payload, mark=MARK))
                for path in orders.namespaces
            )
        }

    def work(self, stop: int) -> None:
        """Work until the file descriptor `stop` becomes readable."""
        poll = select.epoll()
        for descriptor in (*self._queues, stop):
            poll.register(descriptor, select.EPOLLIN)
        while True:
            self._release()
            wait = (
                min(_IDLE_S, max(0.0, self._held[0][0] - time.monotonic() - _EARLY_S))
                if self._held
                else _IDLE_S
            )
            for descriptor, _events in poll.poll(wait):
                if descriptor == stop:
                    return
                self._take(self._queues[descriptor])

    def _release(self) -> None:
        now = time.monotonic()
        while self._held and self._held[0][0] <= now:
            _due, _order, queue, number, payload = heapq.heappop(self._held)
            queue.accept(number, payload)

    def _take(self, queue: Queue) -> None:
        for _ in range(_BURST):
            empty = True
            for number, payload in queue.receive():
                empty = False
                self._handle(queue, number, payload)
            if empty:
                return

    def _handle(self, queue: Queue, number: int, payload: bytes) -> None:
        fate = decide(self._behaviour, self._rng, time.monotonic() - self._begun_s)
        self.counts.packets += 1
        if fate.lost:
            self.counts.lost += 1
            queue.drop(number)
            return
        if fate.duplicated:
            self.counts.duplicated += 1
            queue.send_copy(payload)
        changed = None
        if fate.corrupted:
            self.counts.corrupted += 1
            changed = flip_bit(payload, self._rng)
        if fate.delay_s <= 0:
            queue.accept(number, changed)
            return
        self.counts.delayed += 1
        heapq.heappush(
            self._held, (time.monotonic() + fate.delay_s, self.counts.packets, queue, number, changed)
        )


def main() -> None:
    """Serve until stdin ends."""
    try:
        orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
        listener = Listener(orders)
    except (OSError, msgspec.MsgspecError, TimeoutError) as error:
        sys.exit(f"packet listener: {error}")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    listener.work(sys.stdin.fileno())
    sys.stdout.write(msgspec.json.encode(listener.counts).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
