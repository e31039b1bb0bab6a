"""The costly cells of objects whose values come again: `python bench/grid.py [OPERATIONS]`.

Queue, bag, set with removal, strings with append, counter with unequal steps: 5 values, 5 to 20 clients, 0, 1 and 5 %
unknown outcomes, 1,000 operations. Every cell has three histories whose verdict is known (checkers/native/made), each
judged in a separate process within 10 s and 256 MB. A row says how many of them were decided, and the slowest. Exits
1 if a verdict is wrong.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NATIVE: Final = ROOT / "checkers" / "native"
# Name, model, and which operations are asked for (the mixes of checkers/native/made/src/client.rs).
OBJECTS: Final = (
    ("queue", "queue", 0),
    ("bag", "unordered-queue", 0),
    ("set with removal", "set", 0),
    ("set read whole", "set", 2),
    ("strings with append", "kv", 1),
    ("counter, unequal steps", "counter", 2),
)
CLIENTS: Final = (5, 10, 20)
UNKNOWN: Final = (0.0, 0.01, 0.05)
VALUES: Final = 5
HISTORIES: Final = 3
TIME_S: Final = 10.0
MEMORY: Final = 256 << 20


def made(
    model: str, mix: int, clients: int, unknown: float, operations: int, number: int
) -> tuple[bytes, str]:
    """A history as JSON lines, and its verdict."""
    command = ["cargo", "run", "--release", "--quiet", "-p", "made", "--", "--model", model]
    command += ["--operations", str(operations), "--clients", str(clients), "--values", str(VALUES)]
    command += ["--unknown", str(unknown), "--mix", str(mix), "--number", str(number)]

    def run(*more: str) -> bytes:
        done = subprocess.run([*command, *more], cwd=NATIVE, check=True, capture_output=True, timeout=600)
        return done.stdout

    answers = json.loads(run("--way", "exact", "--steps", "1"))["answers"]
    return run("--write"), next(iter(answers)).split()[2]


def judge(path: str, model: str) -> dict[str, float | str]:
    """Judge one history in this process."""
    sys.path.insert(0, str(ROOT))
    from quorate.harness.history import History  # noqa: PLC0415 - only in the cell's process
    from quorate.harness.history.native import check  # noqa: PLC0415

    history = History.read(path)
    low = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    request = {
        "engine": "linear:auto",
        "model": model,
        "time_s": TIME_S,
        "memory_bytes": MEMORY,
        "threads": 1,
    }
    cpu = time.process_time()
    answer = check(history, request)
    spent = time.process_time() - cpu
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - low) / 1024
    reason = next((part["reason"] for part in answer["keys"] if part["verdict"] == "unknown"), "")
    return {"verdict": answer["verdict"], "cpu_s": spent, "mb": grown, "reason": reason}


def cell(model: str, mix: int, clients: int, unknown: float, operations: int) -> tuple[str, bool]:
    """One row's figures, and whether no verdict was wrong."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(HISTORIES):
            path = Path(folder) / f"{number}.jsonl"
            text, truth = made(model, mix, clients, unknown, operations, number)
            path.write_bytes(text)
            command = [sys.executable, str(Path(__file__).resolve()), "--judge", str(path), model]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
            rows.append({**json.loads(done.stdout), "truth": truth})
    decided = sum(row["verdict"] != "unknown" for row in rows)
    reasons = sorted({row["reason"] for row in rows if row["reason"]})
    figures = f"{decided} of {len(rows)} | {max(row['cpu_s'] for row in rows):.2f} s | "
    figures += f"{max(row['mb'] for row in rows):.0f} MB | {'; '.join(reasons)}"
    return figures, all(row["verdict"] in ("unknown", row["truth"]) for row in rows)


def main() -> int:
    if sys.argv[1:2] == ["--judge"]:
        print(json.dumps(judge(*sys.argv[2:4])))
        return 0
    operations = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    clean = True
    print("| object | clients | unknown | decided | slowest, CPU | memory | why not |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, model, mix in OBJECTS:
        for clients in CLIENTS:
            for unknown in UNKNOWN:
                figures, fine = cell(model, mix, clients, unknown, operations)
                clean &= fine
                print(f"| {name} | {clients} | {unknown:.0%} | {figures} |", flush=True)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
