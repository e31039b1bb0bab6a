"""Registers of 10 to 45 transactions, where brute force ends: does the checker say what a SAT solver says?"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from quorate.checkers.transactions import Transactions
from quorate.harness.core.verdict import Limits, Verdict
from tests.unit.checkers_txn import making
from tests.unit.checkers_txn.test_transactions import read

pytest.importorskip(
    "pysat",
    reason="NOT TESTED: transactions against a SAT solver; install python-sat (pip install -e '.[dev]')",
)
from tests.quality.satisfiable import satisfies

SEEDS = 300
LEVELS = {"serializable": False, "snapshot-isolation": True}


def made(seed: int):
    rng = random.Random(seed)
    mode = rng.choice(["serial", "snapshot", "careful", "stale", "loose", "reckless"])
    keys, clients = rng.choice([2, 3, 5, 8]), rng.choice([2, 3, 5])
    return making.history(rng, "rw", count=rng.randrange(10, 46), keys=keys, mode=mode, clients=clients)


@pytest.mark.parametrize("level", LEVELS)
def test_the_solver_says_the_same(level):
    said = Counter()
    for seed in range(SEEDS):
        events = made(seed)
        result = Transactions("rw", level).check(read(events), Limits(time_s=10))
        said[result.verdict] += 1
        if result.verdict is not Verdict.UNKNOWN:
            wanted = satisfies(events, snapshots=LEVELS[level])
            assert (result.verdict is Verdict.VALID) == wanted, (seed, result.reason)
    # Both answers occur, and hardly any is left open.
    assert min(said[Verdict.VALID], said[Verdict.INVALID]) > SEEDS // 10, said
    assert said[Verdict.UNKNOWN] <= SEEDS // 50, said
