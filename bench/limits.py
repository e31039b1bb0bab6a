"""Limits asked and used: hard histories under caps of time and memory, each in a separate process.

`python bench/limits.py` prints the table. Time is that of the whole call, memory what the process that searches grew by
(for Porcupine: what the worker weighs beyond an idle one).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any, Final

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

import made  # noqa: E402 - a neighbour
from linearizability import peak, resident  # noqa: E402 - a neighbour

from quorate.checkers import check  # noqa: E402
from quorate.checkers.custom import Model, check_custom  # noqa: E402
from quorate.checkers.porcupine import check_history  # noqa: E402
from quorate.harness.core.verdict import Limits, Result  # noqa: E402
from quorate.harness.history import Event, History  # noqa: E402

ENGINES: Final = ("native", "custom", "porcupine", "transactions")
CAPS: Final = ((1.0, 1 << 30), (3.0, 1 << 30), (60.0, 64 << 20), (60.0, 256 << 20))
_MIB: Final = 1 << 20


def queue(count: int = 60) -> list[Event]:
    """Enqueues of two values at once, then dequeues in a random order: no procedure but the search fits."""
    random = Random(1)
    events = [Event(at, at, at, "invoke", "enqueue", None, at % 2) for at in range(count)]
    events += [Event(count + at, count + at, at, "ok", "enqueue", None, at % 2) for at in range(count)]
    for value in [*(random.randrange(2) for _ in range(count - 1)), 2]:
        at = len(events)
        events.append(Event(at, at, 1000, "invoke", "dequeue"))
        events.append(Event(at + 1, at + 1, 1000, "ok", "dequeue", None, value))
    return events


def step(state: tuple[Any, ...], f: str, argument: Any, result: Any, known: bool) -> list[Any]:  # noqa: FBT001
    """A queue as a user would write it."""
    if f == "enqueue":
        return [(*state, argument)]
    if not state:
        return [state] if result is None else []
    return [state[1:]] if not known or state[0] == result else []


def transactions() -> History:
    """A million micro-operations: reads and appends."""
    events: list[dict[str, Any]] = []
    lists: dict[int, list[int]] = {}
    random = Random(1)
    for number in range(250_000):
        asked, told = [], []
        for _ in range(4):
            key = number // 300 * 10 + random.randrange(10)
            held = lists.setdefault(key, [])
            if random.random() < 0.5:
                asked.append(["r", key, None])
                told.append(["r", key, list(held)])
            else:
                held.append(number * 4 + len(asked))
                asked.append(["append", key, held[-1]])
                told.append(asked[-1])
        for kind, value in (("invoke", asked), ("ok", told)):
            event = {"time": len(events), "process": number % 20, "type": kind, "f": "txn", "value": value}
            events.append(event)
    from quorate.harness.history.native import Handle  # noqa: PLC0415 - only here

    handle = Handle("jsonl")
    handle.feed(made.lines(events))
    return History(handle, handle.finish())


def judge(engine: str, limits: Limits) -> tuple[Result, float, int]:
    """The result, the seconds of the call, and the bytes that it took."""
    source: Any = transactions() if engine == "transactions" else History.of(queue())
    low, begun = resident(), time.perf_counter()
    if engine == "porcupine":
        result = check_history(source, "queue", limits, explain=False)
        return result, time.perf_counter() - begun, int(result.memory_mb * 1e6) - (48 << 20)
    if engine == "custom":
        result = check_custom(source, Model(name="queue", initial=(), step=step), limits)
    else:
        result = check(source, model="append" if engine == "transactions" else "queue", limits=limits)
    return result, time.perf_counter() - begun, peak() - low


def row(engine: str, time_s: float, memory_bytes: int) -> dict[str, Any]:
    result, seconds, memory = judge(engine, Limits(time_s=time_s, memory_bytes=memory_bytes))
    return {"verdict": result.verdict.value, "reason": result.reason, "seconds": seconds, "memory": memory}


def main() -> int:
    if len(sys.argv) > 3:
        print(json.dumps(row(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))))
        return 0
    print("| engine | time asked | used | memory asked | used | verdict |")
    print("| --- | --- | --- | --- | --- | --- |")
    for engine in sys.argv[1:] or ENGINES:
        caps = ((0.1, 1 << 30), (60.0, 16 << 20)) if engine == "transactions" else CAPS
        for time_s, memory in caps:
            command = [sys.executable, str(HERE), engine, str(time_s), str(memory)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
            one = json.loads(done.stdout)
            asked = f"| {engine} | {time_s:g} s | {one['seconds']:.2f} s | {memory // _MIB} MiB "
            told = f"{one['verdict']}: {one['reason']}".rstrip(": ")
            print(f"{asked}| {one['memory'] / _MIB:.0f} MiB | {told} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
