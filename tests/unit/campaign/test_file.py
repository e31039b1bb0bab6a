"""Campaign files: what they multiply to, and that every error is found at once, with its line."""

from __future__ import annotations

import pytest

from quorate.harness.campaign.file import CampaignError, load


def write(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_text(text)
    return path


def test_matrix_is_multiplied_and_excludes_and_includes_apply(tmp_path):
    campaign = load(
        write(
            tmp_path,
            """
name = "x"
[defaults]
time = "10s"
[matrix]
system = ["etcd", "simulated"]
faults = ["none", "partition,kill"]
seed = [1, 2]
[[exclude]]
system = "simulated"
faults = "none"
[[include]]
system = "etcd@3.5.1"
expect = "invalid"
link = "https://example.org/13766"
repeat = 3
[budget]
time = "1h"
runs = 7
""",
        )
    )
    assert len(campaign.cells) == 2 * 2 * 2 - 2 + 1
    assert campaign.budget_s == 3600
    assert campaign.budget_runs == 7
    known_bug = campaign.cells[-1]
    assert known_bug.test.release == "3.5.1"
    assert (known_bug.expect, known_bug.repeat) == ("invalid", 3)
    assert {cell.test.time for cell in campaign.cells} == {10.0}
    assert {cell.test.faults for cell in campaign.cells} == {(), ("partition", "kill")}


def test_every_error_is_reported_at_once_with_its_line(tmp_path):
    path = write(
        tmp_path,
        """name = "x"
[defaults]
tme = "10s"
time = "ten"
[matrix]
system = ["etcdd"]
faults = ["partitoin"]
[[include]]
system = "etcd"
nodes = 0
expect = "broken"
[budget]
runs = 0
[sub]
""",
    )
    with pytest.raises(CampaignError) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    expected = {
        3: 'did you mean "time"',
        4: '"ten" is not a duration',
        6: 'did you mean "etcd"',
        10: "give 1 to 63 nodes",
        11: "must be one of valid, invalid, any",
        13: "whole number from 1",
    }
    for number, words in expected.items():
        assert any(f"c.toml:{number}: " in line and words in line for line in lines), (number, words, lines)
    assert any('unknown key "sub"' in line for line in lines)


def test_unknown_settings_and_impossible_targets_are_told_with_their_line(tmp_path):
    path = write(
        tmp_path,
        """[defaults]
system = "simulated"
[[include]]
settings = { bug = "stale-red" }
[[include]]
workload = "set"
settings = { raed_share = 0.5 }
[[include]]
faults = "partition:leadr"
[[include]]
nodes = 1
faults = "pause:majority"
[[include]]
settings = { read_share = 7 }
[[include]]
system = "etcd@not-a-release"
""",
    )
    with pytest.raises(CampaignError) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    expected = {
        4: 'did you mean "stale-read"',
        7: 'did you mean "read_share"',
        9: 'did you mean "leader"',
        14: "read_share=7",
        15: "no way to get etcd@not-a-release",
    }
    for number, words in expected.items():
        assert any(f"c.toml:{number}: " in line and words in line for line in lines), (number, words, lines)


def test_files_lie_beside_the_campaign_and_are_read_before_anything_starts(tmp_path, monkeypatch):
    (tmp_path / "gate").mkdir()
    path = write(tmp_path / "gate", '[[include]]\nsystem = "simulated"\nschedule = "faults.toml"\n')
    with pytest.raises(CampaignError, match=r"c\.toml:3: cannot read the schedule .*faults\.toml"):
        load(path)
    (tmp_path / "gate" / "faults.toml").write_text('[[fault]]\nat = "1s"\nfor = "1s"\nfault = "kill"\n')
    monkeypatch.chdir(tmp_path)
    assert load(path).cells[0].test.schedule == str(tmp_path / "gate" / "faults.toml")


def test_settings_are_merged_key_by_key(tmp_path):
    text = """
[defaults]
settings = { pinning = "all", bug = "none" }
[[include]]
system = "simulated"
settings = { bug = "phantom" }
"""
    campaign = load(write(tmp_path, text), {"settings": {"read_share": "0.9"}})
    assert campaign.cells[0].test.settings == {"pinning": "all", "bug": "phantom", "read_share": "0.9"}


def test_the_same_cell_twice_is_an_error(tmp_path):
    text = '[matrix]\nsystem = ["simulated"]\n[[include]]\nsystem = "simulated"\n'
    with pytest.raises(CampaignError, match=r"c\.toml:3: .* already there \(line 1\)"):
        load(write(tmp_path, text))


def test_cells_that_differ_have_names_that_differ(tmp_path):
    campaign = load(
        write(tmp_path, '[matrix]\nsystem = "simulated"\nclients = [4, 5]\ntime = ["9s", "20s"]\n')
    )
    assert len({cell.name for cell in campaign.cells}) == 4


def test_command_line_wins_over_the_file(tmp_path):
    campaign = load(write(tmp_path, '[matrix]\nsystem = "etcd"\ntime = "1h"\n'), {"time": 5.0})
    assert campaign.cells[0].test.time == 5.0


@pytest.mark.parametrize("text", ["", "[matrix]\nsystem = []\n", "name = 'x'\n"])
def test_no_cell_is_an_error(tmp_path, text):
    with pytest.raises(CampaignError):
        load(write(tmp_path, text))


def test_identity_of_a_cell_does_not_depend_on_the_order_of_the_file(tmp_path):
    one = load(write(tmp_path, '[matrix]\nsystem = ["etcd", "simulated"]\nnodes = [3, 5]\n'))
    two = load(write(tmp_path, '[matrix]\nnodes = [5, 3]\nsystem = ["simulated", "etcd"]\n'))
    assert {cell.key for cell in one.cells} == {cell.key for cell in two.cells}
    assert len({cell.key for cell in one.cells}) == 4
