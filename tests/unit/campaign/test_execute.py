"""Execution of campaigns with an executor that answers at once: retries, resume, early ends, budgets, exit codes."""

from __future__ import annotations

import asyncio

import pytest

from quorate.harness.campaign.cell import Cell
from quorate.harness.campaign.execute import Execution, Options, never_run
from quorate.harness.campaign.file import Campaign
from quorate.harness.campaign.jobs import jobs
from quorate.harness.campaign.ledger import RECORDS, Ledger, read
from quorate.harness.campaign.process import Finished
from quorate.harness.campaign.run import baseline, exit_code
from quorate.harness.core.outcome import Broken
from quorate.harness.core.results import Death, Printed
from quorate.harness.core.test import Test
from quorate.reports.rates import interval, is_clear


class Scripted:
    """Ends the n-th try of each seed with the scripted exit code; the last one repeats."""

    def __init__(self, codes, slots=1, deaths=()):
        self.codes = codes
        self.slots = slots
        self.deaths = deaths
        self.tries = []

    async def run(self, job, slot):
        self.tries.append((job.seed, slot))
        await asyncio.sleep(0)
        turn = sum(seed == job.seed for seed, _ in self.tries) - 1
        codes = self.codes[job.seed] if isinstance(self.codes, dict) else self.codes
        code = codes[min(turn, len(codes) - 1)]
        results = Printed(run=f"runs/{job.seed}", reason="because", deaths=self.deaths)
        said = code in {0, 1, 2} or self.deaths
        return Finished(code, results if said else None, "it broke", 1.0)

    async def close(self):
        self.closed = True


def execute(tmp_path, cells, codes, **options):
    executor = Scripted(codes, slots=options.pop("slots", 1), deaths=options.pop("deaths", ()))
    runs = options.pop("runs", None)
    campaign = Campaign(name="c", cells=tuple(cells), budget_runs=runs)
    ledger = Ledger(tmp_path)
    execution = Execution(campaign, Options(**options), executor, ledger, lambda *_: None)
    return asyncio.run(execution.run()), executor


def cell(seed=1, **fields):
    return Cell(test=Test(seed=seed), **fields)


def test_infrastructure_is_retried_and_anomalies_never(tmp_path):
    records, executor = execute(tmp_path, [cell(1), cell(2)], {1: [3, 3, 0], 2: [1, 0]})
    by_seed = {record.seed: record for record in records}
    assert (by_seed[1].verdict, by_seed[1].attempts) == ("valid", 3)
    assert (by_seed[2].verdict, by_seed[2].attempts) == ("invalid", 1)
    assert len(executor.tries) == 4


def test_a_server_that_ended_by_itself_is_found_and_not_retried_away(tmp_path):
    records, executor = execute(tmp_path, [cell(1)], [3, 0], deaths=[Death(11.5, "n3")])
    assert (records[0].status, records[0].sentence, len(executor.tries)) == ("error", "because", 1)


def test_infrastructure_that_stays_broken_is_an_error_with_its_words(tmp_path):
    records, _ = execute(tmp_path, [cell(1)], [3], retries=1)
    assert (records[0].status, records[0].attempts, records[0].sentence) == ("error", 2, "it broke")
    assert exit_code(records) == 3


def test_a_usage_error_is_not_retried(tmp_path):
    records, executor = execute(tmp_path, [cell(1)], [4])
    assert len(executor.tries) == 1
    assert records[0].status == "error"


def test_resume_repeats_no_finished_job_and_forgives_a_cut_line(tmp_path):
    cells = [cell(seed) for seed in (1, 2, 3)]
    first, _ = execute(tmp_path, cells, [0], runs=2)
    assert len(first) == 2
    with (tmp_path / RECORDS).open("ab") as file:
        file.write(b'{"cell": "half a rec')
    records, executor = execute(tmp_path, cells, [0])
    assert len(executor.tries) == 1
    assert {record.seed for record in records} == {1, 2, 3}
    assert len(read(tmp_path)) == 3


def test_jobs_are_interleaved_and_heavier_cells_come_earlier():
    light, heavy = cell(1, repeat=4), Cell(test=Test(seed=100), repeat=4, weight=3.0)
    order = jobs([light, heavy], seed=0)
    assert sum(job.cell is heavy for job in order[:4]) == 3
    assert [job.seed for job in order if job.cell is light] == [1, 2, 3, 4]
    assert jobs([light, heavy], seed=0) == order


def test_a_cell_ends_early_when_its_rate_is_clear(tmp_path):
    records, executor = execute(tmp_path, [cell(1, repeat=100)], [0])
    assert len(executor.tries) < 30
    assert is_clear(0, len(records))


def test_until_failure_goes_round_with_new_seeds(tmp_path):
    codes = {seed: [1 if seed == 5 else 0] for seed in range(1, 20)}
    records, _ = execute(tmp_path, [cell(1)], codes, until_failure=True)
    assert records[-1].seed == 5
    assert records[-1].verdict == "invalid"


def test_every_slot_works_and_none_twice_at_once(tmp_path):
    _, executor = execute(tmp_path, [cell(seed) for seed in range(1, 9)], [0], slots=3)
    assert {slot for _, slot in executor.tries} == {0, 1, 2}


@pytest.mark.parametrize(
    ("expect", "code", "expected"),
    [("valid", 0, 0), ("valid", 1, 1), ("valid", 2, 2), ("invalid", 1, 0), ("invalid", 0, 1), ("any", 1, 0)],
)
def test_exit_code_compares_with_what_the_file_expects(tmp_path, expect, code, expected):
    records, _ = execute(tmp_path, [cell(1, expect=expect)], [code])
    assert exit_code(records) == expected


def test_a_known_bug_found_once_in_several_repeats_is_found(tmp_path):
    records, _ = execute(tmp_path, [cell(1, expect="invalid", repeat=3)], {1: [0], 2: [1], 3: [0]})
    assert exit_code(records) == 0


def test_a_baseline_fails_only_on_news(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    cells = [cell(1), cell(2)]
    execute(old, cells, {1: [1], 2: [0]})
    records, _ = execute(new, cells, {1: [1], 2: [0]})
    assert exit_code(records) == 1
    assert exit_code(records, baseline(old)) == 0
    worse = tmp_path / "worse"
    worse.mkdir()
    records, _ = execute(worse, cells, {1: [1], 2: [1]})
    assert exit_code(records, baseline(old)) == 1


def test_a_cell_that_never_ran_is_inconclusive_even_with_a_baseline(tmp_path):
    cells = [cell(1), cell(2)]
    records, _ = execute(tmp_path, cells, [0], runs=1)
    campaign = Campaign(name="c", cells=tuple(cells))
    everything = [*records, *never_run(campaign, records)]
    assert [record.status for record in everything] == ["done", "skipped"]
    assert exit_code(everything) == 2
    assert exit_code(everything, {record.cell: frozenset({"unknown"}) for record in everything}) == 2


def test_until_failure_goes_on_where_it_was_stopped(tmp_path):
    codes = {seed: [1 if seed == 7 else 0] for seed in range(1, 20)}
    first, _ = execute(tmp_path, [cell(1)], [0])
    assert [record.seed for record in first] == [1]
    records, executor = execute(tmp_path, [cell(1)], codes, until_failure=True)
    assert [seed for seed, _ in executor.tries] == [2, 3, 4, 5, 6, 7]
    assert len(records) == 7


def test_a_store_that_cannot_be_written_is_told_in_one_sentence(tmp_path):
    (tmp_path / RECORDS).mkdir()
    campaign = Campaign(name="c", cells=(cell(1),))
    ledger = Ledger.__new__(Ledger)
    ledger._path, ledger.records = tmp_path / RECORDS, []
    executor = Scripted([0])
    with pytest.raises(Broken, match="cannot write"):
        asyncio.run(Execution(campaign, Options(), executor, ledger, lambda *_: None).run())
    assert executor.closed


def test_wilson_against_published_values():
    # Newcombe (Statistics in Medicine 1998), table I, method 3.
    assert interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert interval(0, 0) == (0.0, 1.0)
