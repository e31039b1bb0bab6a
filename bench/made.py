"""Random histories of correct objects with concurrent clients, for the benchmarks: JSON lines as bytes.

`unknown` is the share of operations whose client never learns the outcome; half of them take effect, some of these
long after. A "bad" history has one completed operation near the end changed so that no order explains it.
"""

from __future__ import annotations

import heapq
import json
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

Apply = Callable[[str, Any], Any]
Draw = Callable[[Random], tuple[str, Any]]


def simulate(  # noqa: C901, PLR0912, PLR0915 - one loop over one heap, in one place
    seed: int, operations: int, clients: int, unknown: float, draw: Draw, apply: Apply
) -> list[dict[str, Any]]:
    """Run clients against an object in virtual time; return the events in order.

    `apply` returns the answer, or `REFUSED`.
    """
    random = Random(seed)
    events: list[dict[str, Any]] = []
    heap: list[tuple[float, int, str, int]] = []
    running: dict[int, dict[str, Any]] = {}
    process = list(range(clients))
    asked = count = 0
    for client in range(clients):
        heapq.heappush(heap, (random.random(), count, "call", client))
        count += 1
    while heap:
        now, _, what, who = heapq.heappop(heap)
        if what == "call":
            if asked == operations:
                continue
            asked += 1
            f, value = draw(random)
            op = {"f": f, "value": value, "answer": None, "process": process[who]}
            events.append(
                {"time": int(now * 1e6), "process": process[who], "type": "invoke", "f": f, "value": value}
            )
            span = random.expovariate(1.0) + 0.05
            running[asked] = op
            lost = random.random() < unknown
            if lost:
                if random.random() < 0.5:
                    late = span * (random.random() if random.random() < 0.7 else 100 * random.random())
                    heapq.heappush(heap, (now + late, count, "act", asked))
                    count += 1
                heapq.heappush(heap, (now + span, count, "lose", who))
                events[-1]["lost"] = asked
            else:
                heapq.heappush(heap, (now + span * random.random(), count, "act", asked))
                heapq.heappush(heap, (now + span, count + 1, "end", asked << 16 | who))
                count += 1
            count += 1
        elif what == "act":
            op = running[who]
            op["answer"] = apply(op["f"], op["value"])
        elif what == "lose":
            events.append(
                {"time": int(now * 1e6), "process": process[who], "type": "info", "f": "?", "value": None}
            )
            process[who] = max(process[who] + clients, process[who])
            heapq.heappush(heap, (now + 0.1 * random.random(), count, "call", who))
            count += 1
        else:
            number, who = who >> 16, who & 0xFFFF
            op = running.pop(number)
            refused = op["answer"] is REFUSED
            value = (
                op["value"] if refused or (op["answer"] is None and op["f"] not in LOOKS) else op["answer"]
            )
            kind = "fail" if refused else "ok"
            events.append(
                {"time": int(now * 1e6), "process": op["process"], "type": kind, "f": op["f"], "value": value}
            )
            heapq.heappush(heap, (now + 0.1 * random.random(), count, "call", who))
            count += 1
    last: dict[int, str] = {}
    for event in events:
        event.pop("lost", None)
        if event["type"] == "invoke":
            last[event["process"]] = event["f"]
        elif event["f"] == "?":
            event["f"] = last[event["process"]]
    return events


REFUSED = object()
LOOKS = {"read", "contains", "dequeue", "acquire"}


def register(
    seed: int, operations: int, clients: int, unknown: float, values: int | None = None
) -> list[dict[str, Any]]:
    """One register: half reads, 20 % compare-and-set; `values` different ones, or each written once."""
    box = {"value": None, "next": 0}

    def fresh(random: Random) -> int:
        if values is not None:
            return random.randrange(values)
        box["next"] += 1
        return box["next"]

    def draw(random: Random) -> tuple[str, Any]:
        share = random.random()
        if share < 0.5:
            return "read", None
        if share < 0.8:
            return "write", fresh(random)
        old = random.randrange(values) if values is not None else box["value"]
        return "cas", [old, fresh(random)]

    def apply(f: str, value: Any) -> Any:
        if f == "read":
            return box["value"]
        if f == "write":
            box["value"] = value
            return None
        if box["value"] != value[0]:
            return REFUSED
        box["value"] = value[1]
        return None

    return simulate(seed, operations, clients, unknown, draw, apply)


def spoil(
    events: list[dict[str, Any]], wrong: Callable[[dict[str, Any], list[dict[str, Any]]], Any], seed: int = 1
) -> None:
    """Change one completed operation in the last tenth; `wrong` gives the new value, or None to try the next."""
    random = Random(seed)
    places = list(range(len(events) * 9 // 10, len(events)))
    random.shuffle(places)
    for place in places:
        if events[place]["type"] == "ok":
            value = wrong(events[place], events[:place])
            if value is not None:
                events[place]["value"] = value
                return
    raise AssertionError("nothing to spoil")


def lines(events: list[dict[str, Any]]) -> bytes:
    """The exchange format."""
    return "".join(
        json.dumps({"index": index, **event}, separators=(",", ":")) + "\n"
        for index, event in enumerate(events)
    ).encode()


def queue(seed: int, operations: int, clients: int, unknown: float) -> list[dict[str, Any]]:
    """A queue of unique values that is nearly empty most of the time."""
    items: deque[int] = deque()
    box = {"next": 0}

    def draw(random: Random) -> tuple[str, Any]:
        if random.random() < 0.5:
            box["next"] += 1
            return "enqueue", box["next"]
        return "dequeue", None

    def apply(f: str, value: Any) -> Any:
        if f == "enqueue":
            items.append(value)
            return None
        return items.popleft() if items else None

    return simulate(seed, operations, clients, unknown, draw, apply)


def members(
    seed: int, operations: int, clients: int, unknown: float, elements: int = 200
) -> list[dict[str, Any]]:
    """A set: add, remove, contains."""
    held: set[int] = set()

    def draw(random: Random) -> tuple[str, Any]:
        return random.choice(["add", "remove", "contains", "contains"]), random.randrange(elements)

    def apply(f: str, value: Any) -> Any:
        if f == "contains":
            return value in held
        (held.add if f == "add" else held.discard)(value)
        return None

    return simulate(seed, operations, clients, unknown, draw, apply)


def grow_only(seed: int, operations: int, clients: int, unknown: float) -> list[dict[str, Any]]:
    """A set that only grows, read as a whole now and then."""
    held: list[int] = []
    box = {"next": 0}

    def draw(random: Random) -> tuple[str, Any]:
        if random.random() < 20 / operations:
            return "read", None
        box["next"] += 1
        return "add", box["next"]

    def apply(f: str, value: Any) -> Any:
        if f == "read":
            return sorted(held)
        held.append(value)
        return None

    return simulate(seed, operations, clients, unknown, draw, apply)


def counter(seed: int, operations: int, clients: int, unknown: float) -> list[dict[str, Any]]:
    """A counter with unit increments."""
    box = {"total": 0}

    def draw(random: Random) -> tuple[str, Any]:
        return ("read", None) if random.random() < 0.5 else ("add", 1)

    def apply(f: str, value: Any) -> Any:
        if f == "read":
            return box["total"]
        box["total"] += value
        return None

    return simulate(seed, operations, clients, unknown, draw, apply)


def lock(seed: int, operations: int, clients: int, unknown: float) -> list[dict[str, Any]]:
    """A lock handed from client to client; unknown outcomes only of releases that did happen."""
    random = Random(seed)
    events: list[dict[str, Any]] = []
    now, process = 0, list(range(clients))

    def put(who: int, kind: str, f: str) -> None:
        nonlocal now
        now += 1 + random.randrange(1000)
        events.append({"time": now, "process": who, "type": kind, "f": f, "value": None})

    waiting: list[int] = []
    free = list(range(clients))
    for _ in range(operations // 2):
        while len(waiting) < clients // 2:
            slot = free.pop(random.randrange(len(free)))
            put(process[slot], "invoke", "acquire")
            waiting.append(slot)
        slot = waiting.pop(random.randrange(len(waiting)))
        put(process[slot], "ok", "acquire")
        put(process[slot], "invoke", "release")
        lost = random.random() < 2 * unknown
        put(process[slot], "info" if lost else "ok", "release")
        if lost:
            process[slot] += clients
        free.append(slot)
    return events
