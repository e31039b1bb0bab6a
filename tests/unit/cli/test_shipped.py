"""Campaigns by name, and the gate that `quorate init` writes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from quorate.harness.campaign.file import load
from quorate.harness.campaign.shipped import described, located, shipped
from quorate.harness.cli.init_command import command as init
from quorate.harness.core.test import UsageError


def test_a_file_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert located("smoke").name == "smoke.toml"
    Path("smoke").write_text('name = "own"\n')
    assert located("smoke") == Path("smoke")


def test_each_says_what_it_is():
    assert set(described()) == set(shipped())
    assert all(described().values())
    for path in shipped().values():
        assert tomllib.loads(path.read_text())["name"]


@pytest.mark.parametrize(
    ("given", "said"),
    [("smokee", 'did you mean "smoke"'), ("missing.toml", "quorate brings"), (".", "folder")],
)
def test_what_is_neither_is_told_with_the_names(given, said):
    with pytest.raises(UsageError, match=said):
        located(given)


@pytest.mark.parametrize("system", ["etcd", "consul", "zookeeper", "simulated"])
def test_the_written_gate_is_a_campaign(tmp_path, system):
    done = CliRunner().invoke(init, [system, "--into", str(tmp_path)])
    assert done.exit_code == 0, done.output
    campaign = load(tmp_path / "consistency.toml")
    assert [cell.expect for cell in campaign.cells].count("invalid") == 1
    compile((tmp_path / "test_consistency.py").read_text(), "test_consistency.py", "exec")
    assert "quorate campaign consistency.toml" in (tmp_path / ".github/workflows/consistency.yml").read_text()


def test_nothing_is_written_over_unasked(tmp_path):
    CliRunner().invoke(init, ["--into", str(tmp_path)])
    (tmp_path / "consistency.toml").write_text("own")
    done = CliRunner().invoke(init, ["--into", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert (tmp_path / "consistency.toml").read_text() == "own"
    CliRunner().invoke(init, ["--into", str(tmp_path), "--force"])
    assert (tmp_path / "consistency.toml").read_text() != "own"
