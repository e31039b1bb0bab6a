"""How fast histories are written and read, and what memory that takes.

`python bench/history.py [MILLIONS]` writes histories of 1 and 2 million events (or of the given size) through the
journal, exports them to EDN, and loads each file into columns in a fresh process. Rates are events per second on one
core; memory is the peak of the whole loading process.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from quorate.harness.history import Event, History, Journal

_LOAD = """
import resource, sys, time
from quorate.harness.history import History
base = resource.getrusage(resource.RUSAGE_SELF)
start = time.perf_counter()
history = History.read(sys.argv[1])
columns = history.columns
wall = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = used.ru_utime + used.ru_stime - base.ru_utime - base.ru_stime
# Not ru_maxrss: a child starts with its parent's.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(columns), wall, cpu, int(peak.split()[1]) / 1024)
"""


def events(count: int, seed: int = 1) -> Iterator[Event]:
    """Yield a register workload of 20 clients: unique writes, reads, some refused and some unknown."""
    rng = random.Random(seed)
    waiting: list[tuple[Event, int]] = []
    process = list(range(20))
    for index in range(count):
        now = index * 5_000 + rng.randrange(5_000)
        if len(waiting) == len(process) or (waiting and rng.random() < 0.5):
            begun, thread = waiting.pop(rng.randrange(len(waiting)))
            kind = rng.choices(("ok", "fail", "info"), (96, 3, 1))[0]
            if kind == "info":
                process[thread] += len(process)
            error = None if kind == "ok" else ["unavailable", "etcdserver: request timed out"]
            value = rng.randrange(max(1, index)) if begun.f == "read" and kind == "ok" else begun.value
            version = index if kind == "ok" else None
            yield Event(
                index=index, time=now, process=begun.process, type=kind, f=begun.f, key=begun.key, value=value,
                node=begun.node, version=version, error=error, index_of_invoke=begun.index,
            )  # fmt: skip
        else:
            busy = {thread for _, thread in waiting}
            thread = rng.choice([thread for thread in range(len(process)) if thread not in busy])
            f = rng.choice(("read", "write", "cas"))
            value = {"read": None, "write": index, "cas": [index - 1, index]}[f]
            begun = Event(
                index=index, time=now, process=process[thread], type="invoke", f=f, key=f"r{index // 5000}",
                value=value, node=f"n{thread % 5 + 1}",
            )  # fmt: skip
            waiting.append((begun, thread))
            yield begun


def load(path: Path) -> tuple[int, float, float, float]:
    """Load in a fresh process; return events, wall and CPU seconds, peak memory in MB."""
    out = subprocess.run([sys.executable, "-c", _LOAD, str(path)], check=True, capture_output=True, text=True)
    count, wall, cpu, memory = out.stdout.split()
    return int(count), float(wall), float(cpu), float(memory)


def measure(count: int, folder: Path) -> None:
    """Write, export and load one history of `count` events, and print a line for each."""
    made = list(events(count))
    path = folder / f"{count}.jsonl.zst"
    wall, cpu = time.perf_counter(), time.process_time()
    with Journal(path) as journal:
        for event in made:
            journal.append(event)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    megabytes = path.stat().st_size / 1e6
    print(
        f"{count:>9,} events  journal      {wall:6.2f} s  {count / cpu:>10,.0f} events/s  {megabytes:7.1f} MB file"
    )
    edn = folder / f"{count}.edn"
    start = time.perf_counter()
    History.read(path).write(edn, "edn")
    print(f"{count:>9,} events  to EDN       {time.perf_counter() - start:6.2f} s")
    plain = folder / f"{count}.jsonl"
    History.read(path).write(plain)
    for name, file in (("load .zst", path), ("load jsonl", plain), ("load EDN", edn)):
        loaded, wall, cpu, memory = load(file)
        assert loaded == count, (loaded, count)
        print(
            f"{count:>9,} events  {name:<11}  {wall:6.2f} s  {count / cpu:>10,.0f} events/s  {memory:7.0f} MB peak"
        )


def main() -> None:
    counts = [int(float(sys.argv[1]) * 1e6)] if len(sys.argv) > 1 else [1_000_000, 2_000_000]
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            measure(count, Path(folder))


if __name__ == "__main__":
    main()
