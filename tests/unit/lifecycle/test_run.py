"""Whole runs against the simulated system: folders, exit codes, determinism, replay, judging again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from quorate import Test, load, run
from quorate.harness.core.outcome import Broken
from quorate.harness.core.registry import UnknownNameError
from quorate.harness.core.test import UsageError
from quorate.harness.history import History
from quorate.harness.run import judge_again, load_test
from quorate.harness.systems.simulated.system import Simulated
from quorate.reports import terminal


def simulated(tmp_path, **options):
    defaults = {
        "system": "simulated",
        "time": 10.0,
        "seed": 7,
        "store": str(tmp_path / "store"),
        "fault_interval": 2.0,
    }
    return Test(**(defaults | options))


def events(folder):
    return History.read(folder).events()


def test_a_run_ends_with_a_verdict_and_a_complete_folder(tmp_path):
    done = run(simulated(tmp_path, faults=("partition", "kill", "pause")))
    assert (done.verdict, done.exit_code) == ("valid", 0)
    names = {path.name for path in done.folder.iterdir()}
    assert {"test.json", "history.jsonl.zst", "results.json", "report.html", "quorate.log"} <= names
    assert (tmp_path / "store" / "latest").resolve() == done.folder.resolve()
    faults = done.results.faults
    assert {row.fault for row in faults} == {"partition", "kill", "pause"}
    assert all(row.proof.holds and row.healed_proof.holds for row in faults)
    assert all(gate.holds for gate in done.results.gates)


def test_the_same_seed_gives_the_same_history_and_another_seed_another(tmp_path):
    first = run(simulated(tmp_path, faults=("partition", "kill")))
    second = run(simulated(tmp_path, faults=("partition", "kill")))
    other = run(simulated(tmp_path, faults=("partition", "kill"), seed=8))
    assert events(first.folder) == events(second.folder)
    assert events(first.folder) != events(other.folder)


def test_a_bug_is_found_with_a_sentence_and_a_counterexample(tmp_path):
    done = run(simulated(tmp_path, faults=("partition",), settings={"bug": "stale-read"}))
    assert (done.verdict, done.exit_code) == ("invalid", 1)
    assert " read " in done.results.reason
    lines = (done.folder / "counterexample.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    assert {"invoke", "ok"} <= {event["type"] for event in kept}
    assert len(kept) < 20, "a counterexample is minimal"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": 1.0, "time": 5.0}, "operations succeeded"),
        ({"settings": {"gate.success": "1.0"}, "faults": ("kill",)}, "is needed"),
        ({"settings": {"read_share": "1.0", "gate.each_function": "100000"}}, "read operations succeeded"),
    ],
)
def test_a_run_that_proves_nothing_is_inconclusive(tmp_path, options, words):
    done = run(simulated(tmp_path, **options))
    assert (done.verdict, done.exit_code) == ("unknown", 2)
    assert words in done.results.reason


@pytest.mark.parametrize(
    ("workload", "bug"),
    [
        ("register", "stale-read"),
        ("set", "lost-element"),
        ("queue", "duplicate-dequeue"),
        ("counter", "lost-update"),
        ("lock", "lock-held-twice"),
        ("append", "lost-write"),
        ("append", "double-apply"),
        ("rw", "write-skew"),
        ("rw", "lost-update"),
    ],
)
def test_a_run_can_end_at_the_first_anomaly(tmp_path, workload, bug):
    options = {"time": 600.0, "settings": {"bug": bug}, "stop_on_anomaly": True, "workload": (workload,)}
    options["check_time"] = 5.0  # a long counterexample need not be minimal here
    done = run(simulated(tmp_path, **options))
    assert (done.verdict, done.exit_code) == ("invalid", 1)
    assert not done.results.interrupted
    assert History.read(done.folder).columns.time[-1] < 300e9, "it stopped long before its time"


def test_in_virtual_time_a_replay_is_the_run(tmp_path):
    first = run(simulated(tmp_path, faults=("partition", "kill")))
    again = run(load_test(first.folder))
    assert events(first.folder) == events(again.folder)


def test_replay_asks_for_the_same_operations_and_faults(tmp_path):
    path = tmp_path / "schedule.toml"
    path.write_text('[[fault]]\nat = "2s"\nfor = "3s"\nfault = "partition"\ntarget = "leader"\n')
    first = run(simulated(tmp_path, schedule=str(path)))
    again = run(load_test(first.folder))

    def asked(folder):
        history = History.read(folder)
        clients = [(op.invoke.f, op.invoke.key, op.invoke.value) for op in history.operations()]
        plans = [
            (op.invoke.f, op.completion.value["action"], op.completion.value["plan"])
            for op in history.nemesis()
        ]
        return clients[:300], plans

    assert asked(first.folder) == asked(again.folder)


def test_judging_again_gives_the_same_verdict_without_a_cluster(tmp_path):
    done = run(simulated(tmp_path, faults=("partition",), settings={"bug": "stale-read"}))
    (done.folder / "results.json").unlink()
    again = judge_again(done.folder)
    assert (again.verdict, again.exit_code) == ("invalid", 1)
    assert json.loads((done.folder / "results.json").read_text())["reason"] == done.results.reason


def test_several_workloads_run_side_by_side_on_their_own_keys(tmp_path):
    done = run(simulated(tmp_path, workload=("register", "set", "counter"), faults=("partition",)))
    assert (done.verdict, done.exit_code) == ("valid", 0), done.results.reason
    guarantees = {result.guarantee.partition(":")[0] for result in done.results.guarantees}
    assert guarantees == {"register", "set", "counter", "servers-stay-up"}


def test_load_gives_frames(tmp_path):
    done = run(simulated(tmp_path, faults=("partition",)))
    loaded = load(done.folder)
    assert len(loaded.operations) == done.results.statistics.operations
    assert list(loaded.verdicts["verdict"]) == ["valid"] * len(loaded.verdicts)
    assert set(loaded.faults["fault"]) == {"partition"}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"system": "etdc"}, UnknownNameError, 'did you mean "etcd"'),
        ({"workload": ("regster",)}, UnknownNameError, 'did you mean "register"'),
        ({"faults": ("partitions",)}, UnknownNameError, 'did you mean "partition"'),
        ({"faults": ("partition:leadr",)}, UsageError, 'did you mean "leader"'),
        ({"faults": ("partition:majority",), "nodes": 1}, UsageError, "majority"),
        ({"nodes": 0}, UsageError, "give 1 to 63 nodes"),
        ({"settings": {"bgu": "stale-read"}}, UsageError, 'did you mean "bug"'),
        ({"settings": {"gate.operations": "many"}}, UsageError, "gate"),
        ({"schedule": "missing.toml"}, UsageError, "missing.toml"),
        ({"faults": ("kill",), "schedule": "x.toml"}, UsageError, "not both"),
        ({"time": 1.0, "faults": ("kill",)}, UsageError, "no room"),
        ({"cluster": "ssh"}, UsageError, "--inventory"),
        ({"cluster": "dokcer"}, UsageError, 'did you mean "docker"'),
    ],
)
def test_bad_options_are_refused_before_anything_starts(tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        run(simulated(tmp_path, **options))
    assert not (tmp_path / "store").exists()


def test_texts_are_taken_as_on_the_command_line():
    test = Test(workload="register,lock", faults="kill:one, pause", time="1m30s", check_memory="2GiB")
    assert (test.workload, test.faults) == (("register", "lock"), ("kill:one", "pause"))
    assert (test.time, test.check_memory) == (90.0, 2 << 30)
    with pytest.raises(UsageError, match="time: "):
        Test(time="soon")


def quorate(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "quorate", *words],
        capture_output=True, text=True, timeout=120, check=False, **options,
    )  # fmt: skip


def test_a_disk_that_fills_up_is_told_and_the_history_until_then_stays_readable(tmp_path):
    # A limit on file sizes stands in for a full disk: the same path of a failing write.
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000));"
        "from quorate.harness.cli.main import main; sys.argv = ['quorate', *sys.argv[1:]]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "test", "simulated", "--time", "60s", "--seed", "1", "--store", str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stdout + done.stderr
    assert "journal: cannot write" in " ".join(done.stdout.split())
    (folder,) = (
        path.parent for path in tmp_path.glob("*/*/history.jsonl.zst") if path.parent.parent.name != "latest"
    )
    assert len(History.read(folder)) > 100


def test_an_anomaly_is_shown_though_its_results_cannot_be_written(tmp_path):
    # results.json cannot replace a folder: a stand-in for any write that fails after the judging.
    script = (
        "import sys; from quorate.harness.core import store; from quorate.harness.core.outcome import Broken\n"
        "plain = store.write_json\n"
        "def failing(folder, name, content):\n"
        "    if name == store.RESULTS: raise Broken('store', 'cannot write results.json: no space')\n"
        "    return plain(folder, name, content)\n"
        "store.write_json = failing\n"
        "from quorate.harness.cli.main import main; sys.argv = ['quorate', *sys.argv[1:]]; main()"
    )
    words = [
        "test",
        "simulated",
        "--set",
        "bug=phantom",
        "--time",
        "10s",
        "--seed",
        "1",
        "--store",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "INVALID" in done.stdout
    assert "no client had ever written" in " ".join(done.stdout.split())
    assert "cannot write results.json: no space" in " ".join(done.stdout.split())
    assert quorate("check", str(tmp_path / "simulated-register-none")).returncode == 4
    assert "did you mean" in quorate("check", str(tmp_path / "simulated-register-none")).stderr


def test_exit_codes_of_the_command(tmp_path):
    store = ["--store", str(tmp_path)]
    assert quorate("test", "simulated", "--time", "5s", "--quiet", *store).returncode == 0
    bug = quorate(
        "test", "simulated", "--time", "10s", "--seed", "1", "--set", "bug=stale-read", "--json", *store
    )
    assert bug.returncode == 1
    assert json.loads(bug.stdout)["verdict"] == "invalid"
    assert quorate("show", str(tmp_path / "latest")).returncode == 1
    assert quorate("check", str(tmp_path / "latest")).returncode == 1
    assert quorate("test", "simulated", "--time", "2s", "--rate", "1", "--quiet", *store).returncode == 2
    assert quorate("show", str(tmp_path / "nothing")).returncode == 4
    assert quorate("test", "simulated", "--nodes", "x").returncode == 4
    assert quorate("check", str(tmp_path / "nothing")).returncode == 4
    garbage = tmp_path / "garbage.jsonl"
    garbage.write_text('{"index": 0, "type": "invoke"}\nnot json\n')
    refused = quorate("check", str(garbage))
    assert (refused.returncode, "line" in refused.stderr) == (4, True)


def test_what_cannot_start_is_said_so_and_does_not_hide_the_run_before_it(tmp_path, monkeypatch):
    before = run(simulated(tmp_path, time=3.0)).folder

    async def fail(*_):
        raise Broken("server-died", "n1: flag provided but not defined")

    monkeypatch.setattr(Simulated, "wait_ready", fail)
    done = run(simulated(tmp_path, time=3.0, seed=8))
    assert (done.exit_code, done.results.guarantees, done.results.gates) == (3, (), ())
    text = terminal.write(done.folder)
    assert "COULD NOT RUN" in text
    assert "flag provided but not defined" in text
    assert "could not be decided" not in text
    assert "Could not run" in (done.folder / "report.html").read_text()
    assert (tmp_path / "store" / "latest").resolve() == before.resolve()


def test_checking_a_run_names_the_run_that_was_given(tmp_path):
    folder = run(simulated(tmp_path, time=3.0)).folder
    assert f"folder: {folder}" in quorate("check", str(folder)).stdout
