"""Hunts against the simulated system's planted bugs: virtual time until each is found, learning against drawing evenly.

    python bench/hunt.py [--seeds 30] [--bugs a,b,…] [--most 150]

The hunt does not know which workload the bug can come out with: a draw that the bug does nothing to costs its time all
the same. The median is over all seeds; a hunt that has not found it after `--most` virtual seconds counts as that long.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from random import Random

import msgspec

from quorate.harness.core.signature import signatures
from quorate.harness.core.test import Test, UsageError
from quorate.harness.hunt import states
from quorate.harness.hunt.learning import Learner
from quorate.harness.hunt.space import Space, space_of
from quorate.harness.run import run
from quorate.harness.systems.simulated.bugs import BUGS

FAULTS = ("kill", "pause", "partition", "client-partition", "restart", "staged")
SECONDS = (3.0, 6.0)


def found_after_s(space: Space, bug: str, seed: int, most_s: float, *, learns: bool) -> float:
    """Hunt until the bug is found or the time is over; return the virtual seconds of load that were spent."""
    learner = Learner(space, Random(f"{seed}/hunt"), learns=learns)
    spent_s = 0.0
    while spent_s < most_s:
        genes = learner.next()
        genes = msgspec.structs.replace(genes, clients=min(genes.clients, 9), rate=min(genes.rate, 100.0))
        test = genes.test(space.base)
        spent_s += test.time
        with tempfile.TemporaryDirectory() as folder:
            bugged = msgspec.structs.replace(
                test,
                settings={**test.settings, "bug": bug},
                store=folder,
                check_time=5.0,
                stop_on_anomaly=True,
            )
            try:
                done = run(bugged, report=False)
            except UsageError:  # the bug cannot come out with these workloads: the time is spent in vain
                with_none = run(msgspec.structs.replace(test, store=folder, check_time=5.0), report=False)
                learner.hear(genes, states.of_results(with_none.results, ()))
                continue
            violated = signatures(done.results)
            if violated:
                return spent_s
            learner.hear(genes, states.of_results(done.results, violated))
    return most_s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--bugs", default=",".join(BUGS))
    parser.add_argument("--most", type=float, default=150.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    space = space_of(Test(system="simulated"), faults=FAULTS, seconds=SECONDS)
    rows = {}
    print(f"{'bug':<20} {'evenly':>8} {'learning':>9}   virtual seconds, median of {options.seeds} seeds")
    for bug in options.bugs.split(","):
        medians = [
            statistics.median(
                found_after_s(space, bug, seed, options.most, learns=learns) for seed in range(options.seeds)
            )
            for learns in (False, True)
        ]
        rows[bug] = medians
        print(f"{bug:<20} {medians[0]:>8.0f} {medians[1]:>9.0f}", flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
