"""`quorate check --resolve-unknown`: what it prints, and that it never changes the run."""

import hashlib
import json

import pytest
from click.testing import CliRunner

from quorate.harness.cli.check_command import command
from quorate.harness.core.test import Test, UsageError
from quorate.harness.run import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    test = Test(
        system="simulated", faults=("partition", "kill"), fault_interval=1.0, time=4.0, timeout=0.3, seed=5,
        store=str(tmp_path_factory.mktemp("store")),
    )  # fmt: skip
    return run(test, report=False).folder


def check(*arguments):
    return CliRunner().invoke(command, [str(each) for each in arguments], standalone_mode=False)


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


def test_a_run_is_judged_with_settled_outcomes_and_stays_as_it_is(folder):
    before = digest(folder)
    done = check(folder, "--resolve-unknown", "--json")
    results = json.loads(done.output)
    assert done.return_value == 0
    assert results["settled"]["happened"] + results["settled"]["never"] > 0
    counts = results["statistics"]
    recorded = json.loads((folder / "results.json").read_text())["statistics"]
    assert counts["info"] < recorded["info"]
    assert digest(folder) == before


def test_one_model_is_judged_with_them_too(folder):
    done = check(folder, "--as", "cas-register", "--resolve-unknown")
    assert done.return_value == 0
    assert "settled by the members' logs:" in done.output


def test_an_invalid_run_is_checked_without_touching_its_story(tmp_path):
    test = Test(
        system="simulated", faults=("partition",), fault_interval=1.0, time=4.0, timeout=0.3, seed=3,
        store=str(tmp_path), settings={"bug": "lost-write"},
    )  # fmt: skip
    lost = run(test, report=False).folder
    before = digest(lost)
    done = check(lost, "--resolve-unknown")
    assert done.return_value == 1
    assert "no unknown outcome was settled: p" in done.output
    assert digest(lost) == before


@pytest.mark.parametrize("more", [("--save",), ("--save", "--json")])
def test_it_is_not_saved(folder, more):
    done = check(folder, "--resolve-unknown", *more)
    assert isinstance(done.exception, UsageError)
    assert "--save" in str(done.exception)


def test_a_file_has_no_logs(folder):
    done = check(folder / "history.jsonl.zst", "--resolve-unknown")
    assert isinstance(done.exception, UsageError)
    assert "give a run's folder" in str(done.exception)
