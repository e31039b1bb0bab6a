"""The linearizability rows of docs/performance.md: `python bench/linearizability.py [QUICK]`.

Time is the engine's own (columns in, verdict out), memory what the process grew by; each row runs in a process of its
own. "end to end" is reading the file and judging it, in a fresh process.
"""

from __future__ import annotations

import contextlib
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

import made  # noqa: E402 - a neighbour


def phantom(event: dict[str, Any], before: list[dict[str, Any]]) -> Any:
    """A value that was never written."""
    del before
    return 2_000_000_000 if event["f"] == "read" and event["value"] is not None else None


def stale(event: dict[str, Any], before: list[dict[str, Any]]) -> Any:
    """A value read long ago, overwritten many times since (unique values: it cannot come back)."""
    if event["f"] != "read" or event["value"] is None:
        return None
    old = next(
        (e["value"] for e in before[len(before) // 2 :] if e["type"] == "ok" and e["f"] == "read"), None
    )
    return old if old != event["value"] else None


def lost(event: dict[str, Any], before: list[dict[str, Any]]) -> Any:
    """Too low a total."""
    del before
    return event["value"] - 200 if event["f"] == "read" and event["value"] > 200 else None


def swapped(event: dict[str, Any], before: list[dict[str, Any]]) -> Any:
    """A value dequeued again."""
    taken = (e["value"] for e in reversed(before) if e["f"] == "dequeue" and e["type"] == "ok" and e["value"])
    return next(taken, None) if event["f"] == "dequeue" and event["value"] is not None else None


def cells(*, quick: bool) -> list[tuple[str, str, Any, Any]]:
    """Name, model, events, what to spoil."""
    rows: list[tuple[str, str, Any, Any]] = []
    million = 100_000 if quick else 1_000_000
    for clients, unknown in ((20, 0.01), (100, 0.05)):
        for bad in (None, stale):
            name = f"register, unique, {million:,} operations, {clients} clients, {unknown:.0%} unknown"
            rows.append((name, "cas-register", ("register", million, clients, unknown), bad))
    for operations in (1_000, 10_000):
        for clients in (10, 20, 50):
            for unknown in (0.0, 0.01, 0.05):
                for bad in (None, phantom):
                    name = f"register, 5 values, {operations:,} operations, {clients} clients, {unknown:.0%} unknown"
                    rows.append((name, "cas-register", ("register", operations, clients, unknown, 5), bad))
    for maker, model, bad in (
        ("queue", "queue", swapped),
        ("queue", "unordered-queue", swapped),
        ("members", "set", None),
        ("grow_only", "set", None),
        ("counter", "counter", lost),
        ("lock", "lock", None),
    ):
        for wrong in (None, bad)[: 2 if bad else 1]:
            rows.append(  # noqa: PERF401 - reads as the other rows
                (
                    f"{model} ({maker}), 100,000 operations, 20 clients, 1% unknown",
                    model,
                    (maker, 100_000, 20, 0.01),
                    wrong,
                )
            )
    return rows


def row(number: int, *, quick: bool) -> dict[str, Any]:
    """Make and judge one cell, in this process."""
    from quorate.harness.history import History  # noqa: PLC0415 - only in the row's process
    from quorate.harness.history.native import check  # noqa: PLC0415

    name, model, (maker, *arguments), bad = cells(quick=quick)[number]
    events = getattr(made, maker)(1, *arguments)
    if bad:
        made.spoil(events, bad)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.write_bytes(made.lines(events))
        operations = sum(event["type"] == "invoke" for event in events)
        del events
        begun = time.perf_counter()
        history = History.read(path)
        reading = time.perf_counter() - begun
        low = resident()
        request = {
            "engine": "linear:auto",
            "model": model,
            "time_s": 60,
            "memory_bytes": 1 << 30,
            # Of a million operations the certificate of an invalid answer is in the time.
            "explain": bad is stale,
        }
        cpu = time.process_time()
        answer = check(history, request)
        cpu = time.process_time() - cpu
    return {
        "name": name + (", bad, its certificate included" if bad is stale else ", bad" if bad else ""),
        "operations": operations,
        "verdict": answer["verdict"],
        "engine": answer["engine"],
        "read_s": reading,
        "engine_s": answer["time_s"],
        "cpu_s": cpu,
        "grew_mb": max(0, peak() - low) / 1e6,
    }


def resident() -> int:
    """Bytes in memory now; the peak is started anew where the kernel allows."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def peak() -> int:
    """The most bytes in memory since `resident`."""
    text = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))) * 1024


def main() -> int:
    quick = "quick" in sys.argv[1:]
    if len(sys.argv) > 2 and sys.argv[1] == "--row":
        print(json.dumps(row(int(sys.argv[2]), quick=quick)))
        return 0
    print(
        f"{platform.machine()}, {platform.system()} {platform.release()}, Python {platform.python_version()}\n"
    )
    print("| work | verdict | engine | CPU | wall | memory |\n| --- | --- | --- | --- | --- | --- |")
    for number, _ in enumerate(cells(quick=quick)):
        command = [sys.executable, str(HERE), "--row", str(number), *(["quick"] if quick else [])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode:
            print(f"| row {number} failed | {done.stderr.strip().splitlines()[-1]} | | | | |", flush=True)
            continue
        one = json.loads(done.stdout)
        figures = f"{one['cpu_s']:.3f} s | {one['engine_s']:.3f} s | {one['grew_mb']:.0f} MB"
        print(f"| {one['name']} | {one['verdict']} | {one['engine']} | {figures} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
