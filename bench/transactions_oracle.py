"""Random small histories of transactions against a judge that tries every order, at the end and event by event.

`python bench/transactions_oracle.py [COUNT] [SEED]` prints how often the verdicts agree, for each level. A
disagreement is printed with its seed and ends the run with 1.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "checkers_txn")]

import making  # noqa: E402
import serial  # noqa: E402

from quorate.checkers.online_transactions import OnlineTransactions  # noqa: E402
from quorate.checkers.transactions import Transactions  # noqa: E402
from quorate.harness.core.verdict import Limits  # noqa: E402
from quorate.harness.history.event import Event  # noqa: E402
from quorate.harness.history.history import History  # noqa: E402
from quorate.harness.history.native import Handle  # noqa: E402

# Looking after every event costs more than all the rest.
ONLINE_EVERY = 10
LEVELS = ("serializable", "strong-session-serializable", "strict-serializable")


def online(events: list[dict[str, Any]], model: Any, batch: int) -> bool:
    """Whether an anomaly was certain by the end of the stream."""
    judge = OnlineTransactions(model, batch=batch)
    for event in events:
        judge.feed(msgspec.convert(event, Event))
    return judge.look() is not None


def main() -> int:
    numbers = [int(word) for word in sys.argv[1:]]
    count, first = (numbers + [20_000, 0][len(numbers) :])[:2]
    seen: Counter[tuple[str, str, str, bool]] = Counter()
    wrong = 0
    for seed in range(first, first + count):
        rng = Random(seed)
        model = rng.choice(["append", "append", "rw"])
        events = making.history(rng, model, count=rng.choice([3, 4, 4, 5]), keys=rng.choice([1, 2, 2]))
        handle = Handle("jsonl")
        handle.feed(msgspec.json.Encoder().encode_lines(events))
        history = History(handle, handle.finish())
        for level in LEVELS:
            verdict = Transactions(model, level).check(history, Limits()).verdict
            right = serial.serializable(events, model, level)
            seen[model, level, verdict, right] += 1
            if verdict != ("valid" if right else "invalid"):
                wrong += 1
                print(f"seed {seed}, {model}, {level}: {verdict}, but the oracle says {right}")
        # `right` is what the oracle says of the strictest level. Without times, nothing was certain before the end.
        for batch in (1, 3) if seed % ONLINE_EVERY == 0 and events[0]["time"] < events[-1]["time"] else ():
            alarm = online(events, model, batch)
            seen[model, f"online, every {batch}", "alarm" if alarm else "quiet", right] += 1
            if alarm == right:
                wrong += 1
                print(f"seed {seed}, {model}, online every {batch}: {alarm}, but the oracle says {right}")
        loose = Transactions(model, "snapshot-isolation").check(history, Limits()).verdict
        right = serial.snapshot_isolated(events, model)
        seen[model, "snapshot-isolation", loose, right] += 1
        if loose != ("valid" if right else "invalid"):
            wrong += 1
            print(f"seed {seed}, {model}, snapshot-isolation: {loose}, but the oracle says {right}")
    for (model, level, verdict, right), number in sorted(seen.items()):
        print(f"{model:7} {level:28} {verdict:8} oracle {right!s:5} {number:8}")
    print(f"{wrong} disagreements in {count} histories")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
