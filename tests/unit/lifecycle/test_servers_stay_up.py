"""A server that dies by itself, or refuses to start after a fault, is a finding; what a fault explains is none."""

from __future__ import annotations

import asyncio
import json
from signal import SIGKILL

import pytest

from quorate import Test, run
from quorate.harness.core.fault import Proof
from quorate.harness.core.results import FaultRow
from quorate.harness.core.verdict import Verdict
from quorate.harness.run import judge_again
from quorate.harness.run.staying import judge
from quorate.harness.systems.simulated import Simulated
from quorate.nemesis.processes import reason

STARTED = "2026-11-28T12:00:00+00:00"
DOWNGRADE = (
    '{"level":"panic","ts":"2026-11-28T12:00:05.000Z","caller":"membership/cluster.go:759",'
    '"msg":"invalid downgrade; server version is lower than determined cluster version",'
    '"current-server-version":"3.5.35","determined-cluster-version":"3.7","stacktrace":"go.etcd.io/…\\n\\t/x.go:1"}'
)
PANIC = (
    '{"level":"info","ts":"2026-11-28T12:00:04.500Z","msg":"applying"}\n'
    "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 88 [running]:\nmain.f()\n"
)


def folder_with(tmp_path, **logs):
    for node, text in logs.items():
        path = tmp_path / "nodes" / node / "etcd.log"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path


def row(fault, **more):
    return FaultRow(**({"fault": fault, "nodes": ["n1"], "began_s": 3.0, "healed_s": 6.0} | more))


def test_a_run_whose_server_ends_by_itself_is_invalid_with_the_last_lines(tmp_path, monkeypatch):
    start = Simulated.start

    async def frail(self, cluster, node):
        await start(self, cluster, node)
        if node.name == "n2":
            die = lambda: asyncio.ensure_future(node.signal("simulated", SIGKILL))  # noqa: E731 - one line of a test
            asyncio.get_running_loop().call_later(3.0, die)

    monkeypatch.setattr(Simulated, "start", frail)
    test = Test(system="simulated", time=6.0, seed=1, store=str(tmp_path / "store"))
    done = run(test)
    assert (done.verdict, done.exit_code) == ("invalid", 1)
    assert "servers-stay-up is violated: the server on n2 ended by itself at 3." in done.results.reason
    (broken,) = [one for one in done.results.guarantees if one.verdict == "invalid"]
    assert any("signal 9" in line for line in broken.anomalies[0].detail.lines)
    assert judge_again(done.folder).exit_code == 1
    assert "the server on n2 ended by itself" in (done.folder / "report.html").read_text()


def test_a_panic_in_a_log_is_found_with_its_moment_and_lines(tmp_path):
    result = judge(folder_with(tmp_path, n1=PANIC, n2="all is well\n"), [], [], STARTED)
    assert result.verdict is Verdict.INVALID
    (found,) = result.anomalies
    assert found.sentence.startswith("the server on n1 crashed at 4.5 s, and no fault did it: panic: ")
    assert found.detail.lines[0] == "panic: runtime error: index out of range [3] with length 3"


@pytest.mark.parametrize(
    "line",
    [
        "fatal error: runtime: out of memory",
        '{"level":"fatal","ts":"2026-11-28T12:00:04.500Z","msg":"failed to apply"}',
        '{"level":"warn","ts":"2026-11-28T12:00:04.500Z","msg":"alarm raised","alarm":"CORRUPT"}',
        '{"level":"error","ts":"2026-11-28T12:00:04.5Z","msg":"found data inconsistency with peers"}',
        "2026-11-28 12:00:04,500 [myid:1] - ERROR Digests are not matching. Value is Zxid.",
        'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space',
    ],
)
def test_crashes_and_alarms_are_known(tmp_path, line):
    folder = folder_with(tmp_path, n1=line + "\n")
    assert judge(folder, [], [row("kill")], STARTED).verdict is Verdict.INVALID
    assert judge(folder, [], [row("corrupt")], STARTED).verdict is Verdict.VALID, "its disk was damaged"


@pytest.mark.parametrize("agreed", [True, False])
def test_an_alarm_about_data_is_a_kind_of_its_own_and_says_whether_replicas_agreed(tmp_path, agreed):
    line = "2026-11-28 12:00:04,500 [myid:2] - WARN [QuorumPeer] Digests are not matching. Value is Zxid. 4294967296"
    (found,) = judge(folder_with(tmp_path, n2=line + "\n"), [], [], STARTED, agreed=agreed).anomalies
    assert found.name == "data alarm"
    assert (
        "the server on n2 raised an alarm about its own data at 4.5 s, and no fault did it: "
        in found.sentence
    )
    assert found.sentence.endswith("; after the run all replicas held the same") is agreed


def test_what_is_explained_or_not_of_this_run_is_no_finding(tmp_path):
    early = PANIC.replace("12:00:04", "11:59:04")
    folder = folder_with(tmp_path, n1=PANIC, n2=early, n3="listen tcp: panic: bind: address already in use\n")
    assert judge(folder, [], [row("failpoint")], STARTED).verdict is Verdict.VALID
    assert judge(folder, [], [row("failpoint", nodes=["n3"])], STARTED).verdict is Verdict.INVALID
    assert (
        judge(folder, [], [row("failpoint", began_s=30.0, healed_s=40.0)], STARTED).verdict is Verdict.INVALID
    )


def test_a_server_that_does_not_start_again_after_a_kill_is_a_finding(tmp_path):
    dead = Proof(False, "", {"dead": {"n1": "panic: tocommit(9) is out of range"}})
    (found,) = judge(tmp_path, [], [row("kill", healed_proof=dead)], STARTED).anomalies
    assert "did not start again after kill at 6.0 s" in found.sentence
    assert "panic: tocommit(9) is out of range" in found.sentence
    assert judge(tmp_path, [], [row("corrupt", healed_proof=dead)], STARTED).verdict is Verdict.VALID


def test_a_refused_downgrade_is_told_in_the_servers_own_sentence(tmp_path):
    tail = DOWNGRADE + "\npanic: invalid downgrade\n\ngoroutine 1 [running]:\n" + "go.uber.org/zap\n" * 50
    told = reason(tail)
    assert told.startswith(
        "invalid downgrade; server version is lower than determined cluster version (current-"
    )
    assert json.loads(DOWNGRADE)["current-server-version"] in told
    assert judge(folder_with(tmp_path, n1=tail), [], [row("upgrade")], STARTED).verdict is Verdict.VALID
