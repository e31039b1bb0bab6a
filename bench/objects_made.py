"""Engines on histories whose verdict is known: `python bench/objects_made.py [HISTORIES [LARGEST [SEED]]]`.

HISTORIES of each model (default 1,000), each of up to LARGEST operations (default 5,000); half of them are valid by
construction, the others invalid for certain where a place for that was found. Every form of the search and every
near-linear procedure is asked by itself. Exits 1 if one of them said a wrong word. 110,000 histories of each model are
a million in all; memory does not grow with their number.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

NATIVE = Path(__file__).resolve().parent.parent / "checkers" / "native"
USUAL = ("1000", "5000", "0")


def main() -> int:
    given = sys.argv[1:]
    histories, largest, seed = [*given, *USUAL[len(given) :]][:3]
    command = ["cargo", "run", "--release", "--quiet", "-p", "made", "--", "--histories", histories]
    command += ["--largest", largest, "--seed", seed]
    started = time.monotonic()
    wrong = 0
    print("| model | histories | operations | engine answers | of these decided | wrong |")
    print("| --- | --- | --- | --- | --- | --- |")
    with subprocess.Popen(command, cwd=NATIVE, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout or ():
            row = json.loads(line)
            answers = row["answers"]
            decided = sum(times for name, times in answers.items() if not name.endswith("unknown"))
            print(
                f"| {row['model']} | {row['histories']:,} | {row['operations']:,} "
                f"| {sum(answers.values()):,} | {decided:,} | {len(row['wrong'])} |",
                flush=True,
            )
            for sentence in row["wrong"][:20]:
                print(f"  {sentence}", file=sys.stderr)
            wrong += len(row["wrong"])
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if wrong or running.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
