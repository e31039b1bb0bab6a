"""Anomalies explained from the members' logs: of the simulated system's bugs, and of a recorded run of etcd 3.5.16."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from quorate.harness.cli.why_command import command
from quorate.harness.core import reading, story
from quorate.harness.core.test import Test
from quorate.harness.run import run
from quorate.harness.run.explaining import explain
from quorate.reports.html import write as write_html
from quorate.reports.terminal import write as write_terminal

RECORDED = Path(__file__).parents[2] / "data" / "memberlogs" / "etcd-18667"


def simulated(tmp_path, bug, workload="register", faults=(), seed=3, **more):
    test = Test(
        system="simulated",
        workload=(workload,),
        faults=faults,
        time=4.0,
        fault_interval=1.0,
        seed=seed,
        store=str(tmp_path),
        settings={"bug": bug, **more},
    )
    return run(test, report=False)


def told(done):
    return explain(done.folder, done.results)


def test_a_lost_write_is_in_every_log_and_changed_nothing(tmp_path):
    done = simulated(tmp_path, "lost-write")
    assert done.exit_code == 1
    sentences = " ".join(told(done).stories[0].sentences)
    assert 'marked "lose" by the leader' in sentences
    assert "all applied it, which changed nothing" in sentences
    assert "the states of n1, n2 and n3 at the end are exactly what the log gives" in sentences


def test_what_a_grant_answers_is_not_looked_for_among_the_values(tmp_path):
    for seed in range(3, 9):
        done = simulated(tmp_path, "lease-leaked", workload="lease", faults=("pause",), seed=seed)
        stories = told(done).stories
        if stories:
            assert "was written by" not in " ".join(one for each in stories for one in each.sentences)
            return
    pytest.fail("no run of 6 showed the bug")


def test_an_answer_of_a_leader_without_majority_is_in_no_log(tmp_path):
    for seed in range(3, 9):
        done = simulated(tmp_path, "split-brain", faults=("partition",), seed=seed)
        stories = told(done).stories
        text = " ".join(sentence for each in stories for sentence in each.sentences)
        if "(acknowledged) is no entry of any member's log" in text:
            return
    pytest.fail("no run of 6 lost an acknowledged write")


def test_a_refused_change_that_others_made_is_told(tmp_path):
    for seed in range(3, 9):
        done = simulated(tmp_path, "half-refused", workload="revisions", faults=("partition",), seed=seed)
        if done.exit_code == 1:
            break
    text = " ".join(sentence for each in told(done).stories for sentence in each.sentences)
    assert "refused it: compacted" in text
    assert "applied it;" in text


def test_a_stale_read_is_placed_between_two_entries_of_the_log(tmp_path):
    done = simulated(tmp_path, "stale-read")
    assert done.exit_code == 1
    placed = re.compile(
        r"n\d answered p\d+ from its state behind entry (\d+) and before entry (\d+), the next to change k\d; p\d+ had "
        r"an answer from entry (\d+) at"
    )
    found = placed.findall(" ".join(sentence for each in told(done).stories for sentence in each.sentences))
    assert found
    assert all(int(behind) < int(before) <= int(other) for behind, before, other in found)


def test_a_read_that_no_log_explains_is_left_to_the_reader(tmp_path):
    done = simulated(tmp_path, "phantom")
    assert done.exit_code == 1
    text = " ".join(sentence for each in told(done).stories for sentence in each.sentences)
    assert "what the clients saw does not come from the logs" in text
    assert "from its state behind" not in text


def test_the_story_stands_in_the_folder_and_in_the_reports(tmp_path):
    done = simulated(tmp_path, "lost-write")
    kept = story.kept(done.folder)
    assert kept == told(done)
    page = write_html(done.folder).read_text()
    assert "What the members&#39; own logs say" in page or "What the members' own logs say" in page
    assert "all applied it, which changed nothing" in page
    assert "the members' own logs say:" in write_terminal(done.folder, width=100)


def test_the_command_prints_what_it_found(tmp_path):
    done = simulated(tmp_path, "lost-write")
    shown = CliRunner().invoke(command, [str(done.folder)], standalone_mode=False)
    assert shown.return_value == 0
    assert "n1: entries 1 to" in shown.output
    as_json = CliRunner().invoke(
        command, [str(done.folder), "--json", "--anomaly", "1"], standalone_mode=False
    )
    (one,) = json.loads(as_json.output)["stories"]
    assert one["entries"][0]["holders"] == ["n1", "n2", "n3"]


def test_a_valid_run_has_nothing_to_explain(tmp_path):
    done = simulated(tmp_path, "none")
    shown = CliRunner().invoke(command, [str(done.folder)], standalone_mode=False)
    assert shown.return_value == 2
    assert "the run has no anomaly" in shown.output


def test_a_recorded_run_of_etcd_3_5_16_is_told():
    """https://github.com/etcd-io/etcd/issues/18667."""
    why = explain(RECORDED, reading.results(RECORDED))
    first = why.stories[0]
    text = " ".join(first.sentences)
    assert "given to n3 by a client, is in the logs of n1, n2 and n3" in text
    assert "n3 refused it: its read at revision 1 is below the compacted revision" in text
    assert "n1 and n2 applied it as revision" in text
    assert "the states of n1, n2 and n3 at the end are exactly what the log gives" in text
