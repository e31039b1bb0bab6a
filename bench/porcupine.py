"""quorate's native engines beside the real Porcupine: the same histories, the same verdicts, the ratio of CPU time.

`python bench/porcupine.py` prints the table. CPU is that of the search alone: reading files, starting processes and
explanations are left out on both sides. `--hard` adds histories that Porcupine cannot decide in the limits given.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

# The root before this folder, whose checkers.py is a benchmark.
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from made import counter, lines, members, queue, register, spoil  # noqa: E402

from quorate.checkers.porcupine import check_history, version  # noqa: E402
from quorate.checkers.porcupine.build import module_directory  # noqa: E402
from quorate.harness.core.verdict import Limits  # noqa: E402
from quorate.harness.history.history import History  # noqa: E402
from quorate.harness.history.native import Handle  # noqa: E402
from quorate.harness.history.native import check as ask  # noqa: E402

Case = tuple[str, str, History, str | None]
SMALL: Final = Limits(time_s=2.0, memory_bytes=2 << 30)
LOGS: Final = Limits(time_s=60.0, memory_bytes=4 << 30)
HARD: Final = Limits(time_s=60.0, memory_bytes=4 << 30)


def logs() -> Iterator[Case]:
    """Porcupine's own logs, with the verdicts that stand in its tests."""
    folder = module_directory()
    tests = (folder / "porcupine_test.go").read_text()
    for number, good in re.findall(r"checkJepsen\(t, (\d+), (true|false)\)", tests):
        path = folder / "test_data" / "jepsen" / f"etcd_{int(number):03d}.log"
        yield "etcd logs", "cas-register", History.read(path), "valid" if good == "true" else "invalid"
    for path in sorted((folder / "test_data" / "kv").iterdir()):
        yield f"kv {path.stem}", "kv", History.read(path), "valid" if "ok" in path.stem else "invalid"


def of(events: list[dict[str, Any]]) -> History:
    handle = Handle("jsonl")
    handle.feed(lines(events))
    return History(handle, handle.finish())


def other_value(random: Random) -> Any:
    """Change a read or a dequeue to something else that is a value."""

    def wrong(event: dict[str, Any], before: list[dict[str, Any]]) -> Any:
        values = [one["value"] for one in before if one["f"] in {"write", "enqueue", "add"} and one["value"]]
        if event["f"] == "contains":
            return not event["value"]
        if event["f"] == "read" and isinstance(event["value"], int):
            return random.choice(values) if values else None
        return random.choice(values) if event["f"] == "dequeue" and values else None

    return wrong


def random_ones() -> Iterator[Case]:
    """Middle-sized histories of several models, without end; half of them spoiled."""
    for seed in itertools.count():
        random = Random(seed)
        clients, unknown = random.choice([3, 5, 8]), random.choice([0.0, 0.02, 0.05])
        kind = random.choice(["register", "register", "set", "queue", "counter"])
        if kind == "register":
            model, events = "cas-register", register(seed, random.randrange(20, 120), clients, unknown, 4)
        elif kind == "set":
            model, events = "set", members(seed, random.randrange(20, 80), clients, unknown, 4)
        elif kind == "queue":
            model, events = "queue", queue(seed, random.randrange(10, 24), min(clients, 5), unknown)
        else:
            model, events = "counter", counter(seed, random.randrange(10, 40), min(clients, 5), unknown)
        if random.random() < 0.5:
            try:
                spoil(events, other_value(random), seed)
            except AssertionError:
                continue
        yield f"random {kind}", model, of(events), None


def hard_ones() -> Iterator[Case]:
    """What Porcupine's own users run into."""
    for name, operations, clients, unknown, bad in (
        ("10 clients, 1,000 operations, 1 % unknown, bad", 1000, 10, 0.01, True),
        ("20 clients, 1,000 operations, bad", 1000, 20, 0.0, True),
        ("20 clients, 10,000 operations", 10_000, 20, 0.0, False),
        ("10 clients, 10,000 operations, 1 % unknown", 10_000, 10, 0.01, False),
    ):
        events = register(1, operations, clients, unknown, 5)
        if bad:
            spoil(events, lambda event, _: 99 if event["f"] == "read" else None)
        yield name, "cas-register", of(events), None


class Row:
    """What was measured on one kind of history."""

    def __init__(self) -> None:
        self.count = 0
        self.verdicts: Counter[str] = Counter()
        self.silent = Counter({"native": 0, "porcupine": 0})
        self.decided = 0  # by both
        self.wrong = 0
        self.cpu_s = [0.0, 0.0]
        self.memory_mb = 0.0

    def add(self, case: Case, limits: Limits, *, isolated: bool) -> None:
        """Judge with both."""
        name, model, history, expected = case
        start = time.process_time()
        request = {
            "engine": "linear:auto",
            "model": model,
            "per_key": True,
            "initial": None,
            "time_s": limits.time_s,
            "memory_bytes": limits.memory_bytes,
            "witness": False,
            "explain": False,
        }
        native = ask(history, request)["verdict"]
        self.cpu_s[0] += time.process_time() - start
        theirs = check_history(history, model, limits, isolated=isolated, explain=False)
        self.cpu_s[1] += theirs.cpu_s or theirs.time_s
        self.memory_mb = max(self.memory_mb, theirs.memory_mb)
        self.count += 1
        self.verdicts[native] += 1
        self.silent["native"] += native == "unknown"
        self.silent["porcupine"] += theirs.verdict == "unknown"
        self.decided += "unknown" not in {native, theirs.verdict.value}
        both = {native, theirs.verdict.value, expected or native} - {"unknown"}
        if len(both) > 1:
            self.wrong += 1
            print(
                f"{name} ({model}): native {native}, Porcupine {theirs.verdict}, expected {expected}",
                file=sys.stderr,
            )

    def told(self, name: str) -> str:
        """The row of the table."""
        ratio = self.cpu_s[1] / max(self.cpu_s[0], 1e-9)
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))
        cells = (
            name,
            str(self.count),
            verdicts,
            str(self.wrong),
            f"{self.silent['native']} / {self.silent['porcupine']}",
            f"{self.cpu_s[0]:.3f}",
            f"{self.cpu_s[1]:.3f}",
            f"{ratio:.1f}",
            f"{self.memory_mb:.0f}" if self.memory_mb else "-",
        )
        return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=10_000, help="random histories to be decided by both")
    parser.add_argument("--hard", action="store_true")
    options = parser.parse_args()
    print(f"Porcupine {version()}\n")
    head = "histories | number | verdicts | disagree | undecided native / Porcupine | native CPU s | Porcupine CPU s"
    print(f"| {head} | ratio | Porcupine MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for cases, limits, isolated, enough in (
        (logs(), LOGS, False, None),
        (random_ones() if options.random else (), SMALL, False, options.random),
        (hard_ones() if options.hard else (), HARD, True, None),
    ):
        rows: dict[str, Row] = {}
        for case in cases:
            rows.setdefault(case[0], Row()).add(case, limits, isolated=isolated)
            if enough is not None and sum(row.decided for row in rows.values()) >= enough:
                break
        for name, row in rows.items():
            print(row.told(name), flush=True)


if __name__ == "__main__":
    main()
