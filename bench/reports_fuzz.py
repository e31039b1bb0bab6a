"""Damage stored runs at random and make every report of them: `python bench/reports_fuzz.py [runs] [seed]`.

No damage may raise anything or take long; the first that does is printed with its seed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "reports")]

import synthetic  # noqa: E402 - found through the line above
from damage import damage  # noqa: E402

from quorate.reports import compare, html, junit, markdown, terminal  # noqa: E402


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        kinds = ("register", "append", "lock")
        models = [synthetic.make(Path(scratch) / kind, kind=kind, operations=200) for kind in kinds]
        for seed in range(first, first + runs):
            rng = Random(seed)
            folder = Path(scratch) / "run"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(rng.choice(models), folder)
            damage(folder, rng)
            start = time.perf_counter()
            try:
                html.write(folder)
                terminal.write(folder, colour=True)
                junit.write(folder, folder / "out.xml")
                markdown.text(folder)
                compare.text(folder, models[0])
            except Exception:
                print(f"seed {seed}")
                raise
            slowest = max(slowest, time.perf_counter() - start)
    print(f"{runs} damaged runs, every report made, the slowest in {slowest:.2f} s")


if __name__ == "__main__":
    main()
