"""What it costs to judge transactions while they run, beside judging them at the end, and how much is held.

`python bench/online.py [--operations 1000000]` prints one row for each model: the transactions of
`bench/transactions.py`, fed event by event. "Online" is CPU time from events to the last look, "offline" that of the
engine on the finished history together with reading it from JSON lines. `--plant` adds a row for every anomaly, with
how many transactions came between it and the alarm.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench"), str(ROOT / "tests" / "quality")]

import planted  # noqa: E402
from transactions import OPS_EACH, events  # noqa: E402

from quorate.checkers.online_transactions import OnlineTransactions  # noqa: E402
from quorate.checkers.transactions import Transactions  # noqa: E402
from quorate.harness.core.verdict import Limits  # noqa: E402
from quorate.harness.history.event import Event  # noqa: E402
from quorate.harness.history.history import History  # noqa: E402
from quorate.harness.history.native import Handle  # noqa: E402

SEED: Final = 7
CHUNK: Final = 20_000


def offline(model: Any, count: int) -> tuple[float, str]:
    """CPU seconds to read and to judge a finished history, and the verdict."""
    encoder, lines, chunk = msgspec.json.Encoder(), [], []
    for event in events(random.Random(SEED), model, count, None):
        chunk.append(event)
        if len(chunk) == CHUNK:
            lines.append(encoder.encode_lines(chunk))
            chunk = []
    lines.append(encoder.encode_lines(chunk))
    start = time.process_time()
    handle = Handle("jsonl")
    for part in lines:
        handle.feed(part)
    history = History(handle, handle.finish())
    verdict = Transactions(model).check(history, Limits(memory_bytes=2 << 30)).verdict
    return time.process_time() - start, verdict


def online(model: Any, count: int, plant: str | None) -> tuple[float, int, float, str, int]:
    """CPU seconds, the most and the mean of transactions held, the word at the end, and how late it came."""
    judge, spent, most, total, seen, planted_at = OnlineTransactions(model), 0.0, 0, 0, 0, None
    chunk: list[Event] = []

    def feed() -> None:
        nonlocal spent, most, total, seen
        start = time.process_time()
        for event in chunk:
            judge.feed(event)
            if judge.anomaly is not None:
                seen += 1
                break
            seen += 1
            most = max(most, judge.held)
            total += judge.held
        spent += time.process_time() - start
        chunk.clear()

    for event in events(random.Random(SEED), model, count, plant):
        if planted_at is None and str(event["value"]).find("'x'") >= 0:
            planted_at = event["index"]
        chunk.append(msgspec.convert(event, Event))
        if len(chunk) == CHUNK:
            feed()
            if judge.anomaly is not None:
                break
    feed()
    if judge.anomaly is None:
        judge.look()
    word = judge.anomaly.name if judge.anomaly else "quiet"
    late = (seen - (planted_at or seen)) // 2
    return spent, most, total / max(1, seen), word, late


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--plant", action="store_true")
    options = parser.parse_args()
    count = options.operations // OPS_EACH
    print("| model | planted | said | transactions | online us | offline us | most held | mean held | late |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    cells: list[tuple[str, str | None]] = [("append", None), ("rw", None)]
    if options.plant:
        cells += [(plant.model, name) for name, plant in planted.PLANTS.items()]
    for model, plant in cells:
        spent, most, mean, word, late = online(model, count, plant)
        by_end = f"{offline(model, count)[0] / count * 1e6:.1f}" if plant is None else ""
        row = (
            model,
            plant or "-",
            word,
            f"{count:,}",
            f"{spent / count * 1e6:.0f}" if plant is None else "",
            by_end,
            f"{most:,}",
            f"{mean:,.0f}",
            f"{late:,}" if plant else "",
        )
        print("|", " | ".join(row), "|", flush=True)
    print(f"\npeak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
