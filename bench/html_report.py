"""How long reports take, and how large they are: `python bench/html_report.py [operations …]`."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "reports")]

import synthetic  # noqa: E402 - found through the line above

from quorate.reports import html, stored, terminal  # noqa: E402


def main() -> None:
    sizes = [int(text) for text in sys.argv[1:]] or [10_000, 100_000, 1_000_000]
    print("operations   HTML s  HTML MB  B each reading s terminal s  peak MB")
    with tempfile.TemporaryDirectory() as scratch:
        for operations in sizes:
            folder = synthetic.make(
                Path(scratch) / str(operations), operations=operations, rate=operations / 60
            )
            start = time.perf_counter()
            target = html.write(folder)
            wrote = time.perf_counter()
            stored.read(folder)
            read = time.perf_counter()
            terminal.write(folder)
            shown = time.perf_counter()
            octets = target.stat().st_size
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            print(
                f"{operations:>10,} {wrote - start:>8.2f} {octets / 1e6:>8.2f} {octets / operations:>7.1f} "
                f"{read - wrote:>9.2f} {shown - read:>10.2f} {peak:>8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
