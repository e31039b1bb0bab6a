"""What a person, or a log, sees of a campaign while it runs."""

from __future__ import annotations

import io

from quorate.harness.campaign.cell import Cell, record_of
from quorate.harness.campaign.file import Campaign
from quorate.harness.campaign.jobs import Job
from quorate.harness.cli.table import Table
from quorate.harness.core.test import Test


class Terminal(io.StringIO):
    def isatty(self):
        return True


CELLS = tuple(Cell(test=Test(system="simulated", nodes=nodes), repeat=3) for nodes in (1, 3, 5))
CAMPAIGN = Campaign(name="c", cells=CELLS)


def record(cell, verdict="valid", sentence="held", attempts=1):
    return record_of(
        cell, 0, 7, status="error" if verdict == "error" else "done", verdict=verdict, exit_code=0, sentence=sentence,
        command="quorate test", run="r", time_s=2.0, attempts=attempts, release="1",
    )  # fmt: skip


def test_a_log_gets_a_plain_line_for_each_run():
    out = io.StringIO()
    table = Table(CAMPAIGN, silent=False, out=out)
    table(None, [Job(CELLS[0], 0, 7)])
    table(record(CELLS[0]), [])
    table(record(CELLS[1], "invalid", "\x1b[31mp1 read 3, but 4 had been written"), [])
    table.close()
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("[1/9] ✓ valid  simulated register none in-processx1")
    assert "(expected valid)" in lines[1]
    assert lines[2].strip() == "p1 read 3, but 4 had been written"
    assert "\x1b" not in out.getvalue()


def test_retries_are_told_and_long_complaints_cut():
    out = io.StringIO()
    Table(CAMPAIGN, silent=False, out=out)(record(CELLS[0], "error", "x" * 5000, attempts=3), [])
    assert "3 attempts" in out.getvalue()
    assert len(out.getvalue()) < 1000


def test_a_terminal_shows_running_cells_first_and_prints_only_what_was_unexpected():
    out = Terminal()
    table = Table(CAMPAIGN, silent=False, out=out)
    table(record(CELLS[0]), [])
    table(record(CELLS[1], "invalid", "p1 read 3, but 4 had been written"), [Job(CELLS[2], 0, 7)])
    rows = table.rows()
    names = [str(cell) for cell in rows.columns[1]._cells]
    assert [name[-1] for name in names] == ["5", "3", "1"]
    assert str(rows.columns[0].header) == "2/9"
    table.close()
    assert "p1 read 3" in out.getvalue()
    assert "held" not in out.getvalue()


def test_more_cells_than_lines_are_counted():
    many = Campaign(name="c", cells=tuple(Cell(test=Test(clients=n)) for n in range(1, 201)))
    table = Table(many, silent=False, out=Terminal())
    names = [str(cell) for cell in table.rows().columns[1]._cells]
    table.close()
    assert len(names) < 100
    assert names[-1].endswith("more cells")


def test_resumed_records_count_and_silence_is_silent():
    out = io.StringIO()
    table = Table(CAMPAIGN, silent=True, out=out)
    table.known([record(CELLS[0]), record(CELLS[1])])
    table(record(CELLS[2]), [])
    assert str(table.rows().columns[0].header) == "3/9"
    assert out.getvalue() == ""
