"""Every engine against the exhaustive judge on a million small histories: `python bench/oracle.py [COUNT] [SEED]`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.quality.judging import PLAN, disagreements

BATCH = 5_000


def main() -> int:
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    shares = sum(share for *_, share in PLAN)
    tally: Counter[str] = Counter()
    started, judged, wrong = time.monotonic(), 0, 0
    while judged < total:
        for model, engine, unique, size, processes, share in PLAN:
            count = min(BATCH, total) * share // shares + 1
            for text in disagreements(model, engine, unique, size, processes, seed, count, tally):
                wrong += 1
                print("WRONG", text, flush=True)
            judged += count
        seed += BATCH
        print(f"{judged} histories, {wrong} disagreements, {time.monotonic() - started:.0f} s", flush=True)
    for name, count in sorted(tally.items()):
        print(f"{count:9d}  {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
