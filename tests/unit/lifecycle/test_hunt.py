"""Hunts: what is drawn, what is learnt, what is waived, and that planted bugs are found without being named."""

from __future__ import annotations

import json
from random import Random

import msgspec
import pytest
from click.testing import CliRunner

from quorate.harness.cli.hunt_command import command
from quorate.harness.core.results import JudgedReads, Results
from quorate.harness.core.signature import Signature
from quorate.harness.core.test import Test, UsageError
from quorate.harness.experiments.trial import Trial
from quorate.harness.hunt import loglines, states, waivers
from quorate.harness.hunt.findings import Findings, Shown, documented, without_workload
from quorate.harness.hunt.learning import Learner
from quorate.harness.hunt.space import LEFT_OUT, Evenly, space_of, varied, why_not
from quorate.harness.hunt.survey import ROUNDS, survey

STALE = Signature("linearizable", "stale-read")


@pytest.fixture(scope="module")
def etcd():
    return space_of(Test(system="etcd@3.5.1"))


@pytest.fixture(scope="module")
def simulated():
    return space_of(Test(system="simulated"), faults=("kill", "pause", "partition", "restart", "staged"))


def test_what_fits_is_found_by_trying(etcd):
    assert {"register", "revisions", "watch", "lease", "kubernetes"} <= set(etcd.workloads)
    assert "agents" not in etcd.workloads
    assert {"kill", "staged", "compact", "defragment", "powerloss"} <= set(etcd.faults)
    assert not LEFT_OUT & set(etcd.faults)
    assert "failpoint" in etcd.left_out  # a plain build
    assert (
        space_of(Test(system="simulated"), workloads=("register",))
        .faults.keys()
        .isdisjoint({"compact", "member"})
    )


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="agents"):
        space_of(Test(system="etcd"), workloads=("agents",))
    with pytest.raises(UsageError, match="compact"):
        space_of(Test(system="simulated"), faults=("compact",))


def test_every_draw_works_and_the_seed_decides(etcd):
    drawn = [etcd.draw(Random(seed), Evenly(), ("finished scheduled compaction",)) for seed in range(60)]
    again = [etcd.draw(Random(seed), Evenly(), ("finished scheduled compaction",)) for seed in range(60)]
    assert drawn == again
    assert all(why_not(genes.test(etcd.base)) is None for genes in drawn)
    assert len({name for genes in drawn for name in genes.workloads}) > 6
    assert {len(genes.workloads) for genes in drawn} == {1, 2, 3}
    assert {len(genes.faults) for genes in drawn} == {0, 1, 2, 3}
    for setting in ("kill.on", "partition.on", "partition.flap"):
        assert any(setting in genes.extra for genes in drawn), setting
    assert all(genes.extra["tuning"] in {"small", "random"} for genes in drawn)


def test_variations_work_and_keep_most(etcd):
    rng = Random(5)
    genes = etcd.draw(rng, Evenly())
    others = [etcd.vary(genes, rng, Evenly()) for _ in range(30)]
    assert all(why_not(other.test(etcd.base)) is None for other in others)
    assert all(other.workloads == genes.workloads for other in others)
    assert len({other.seed for other in others}) == 30
    assert len({(other.faults, other.nodes, other.rate) for other in others}) > 5


def test_a_survey_shows_every_workload_in_calm_then_with_deposed_leaders_then_with_crashes(etcd):
    runs = survey(etcd, Random(4))
    assert runs == survey(etcd, Random(4))
    learner = Learner(etcd, Random(4))
    assert [learner.next() for _ in runs] == runs
    by_round = {
        faults: [one for one in runs if one.faults == faults] for faults in {one.faults for one in runs}
    }
    assert set(by_round) == {one.faults for one in ROUNDS}
    for of_round in by_round.values():
        assert sorted(name for genes in of_round for name in genes.workloads) == sorted(etcd.workloads)
        assert len(of_round) <= len(etcd.workloads) / 2
        assert all(len(genes.workloads) <= 3 for genes in of_round)
    assert [one.faults for one in runs] == sorted((one.faults for one in runs), key=list(by_name()).index)
    assert all(why_not(genes.test(etcd.base)) is None for genes in runs)
    assert all(set(genes.extra) == {"tuning"} for genes in runs)
    assert survey(etcd, Random(5)) != runs


def by_name():
    return {one.faults: one for one in ROUNDS}


def test_a_survey_keeps_to_the_faults_that_are_asked_for():
    space = space_of(Test(system="etcd@3.5.1"), faults=("disk",))
    runs = survey(space, Random(1))
    assert {fault.partition(":")[0] for genes in runs for fault in genes.faults} == {"disk"}


def test_given_settings_stand_above_drawn_ones():
    space = space_of(Test(system="etcd@3.5.16", settings={"reads": "serializable", "read_share": "0.5"}))
    for seed in range(20):
        settings = space.draw(Random(seed), Evenly()).test(space.base).settings
        assert (settings["reads"], settings["read_share"]) == ("serializable", "0.5")


@pytest.mark.parametrize(("usual", "kind"), [(0.4, "0.9"), (10, "100"), (True, "false")])
def test_settings_are_varied_by_their_type(usual, kind):
    assert kind in varied(usual)
    assert varied(None) == varied("text") == ()


def test_what_leads_somewhere_is_preferred(simulated):
    learner = Learner(simulated, Random(1))
    for number in range(60):
        genes = learner.next()
        learner.hear(genes, {f"state {number}"} if "lock" in genes.workloads else {"known"})
    options = sorted(simulated.workloads)
    picked = [learner.pick("workload", options, Random(seed)) for seed in range(400)]
    assert picked.count("lock") > 1.5 * 400 / len(options)
    assert len(set(picked)) > len(options) / 2  # nothing is given up


def test_without_learning_every_draw_is_even(simulated):
    learner = Learner(simulated, Random(1), learns=False)
    seen = []
    for number in range(40):
        genes = learner.next()
        seen.append(genes)
        learner.hear(genes, {f"state {number}"})
    learner = Learner(simulated, Random(1), learns=False)
    assert [learner.next() for _ in range(40)] == seen


def test_rare_lines_become_triggers(simulated):
    learner = Learner(simulated, Random(1))
    said = {"finished scheduled compaction": 3, "apply request took too long": 900, "restarting member": 2}
    learner.hear(learner.next(), (), said)
    assert learner.lines() == ("restarting member", "finished scheduled compaction")
    assert learner.reached == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"level":"info","ts":"2026-11-29T03:27:52.444Z","caller":"x.go:1","msg":"finished scheduled compaction"}',
            "finished scheduled compaction",
        ),
        (
            '2026-11-29T03:27:52.4Z [INFO]  agent.server.raft: entering follower state: follower="Node at 1"',
            "agent.server.raft: entering follower state: #",
        ),
        (
            "2026-11-29 03:34:51,123 [QuorumPeer[myid=1]] - INFO  Learner - Getting a snapshot from leader 0x100000",
            "Learner - Getting a snapshot from leader #",
        ),
    ],
)
def test_lines_are_known_by_what_does_not_change(line, said):
    assert loglines.template(line) == said


def test_lines_before_the_load_do_not_count(tmp_path):
    log = tmp_path / "nodes" / "n1" / "etcd.log"
    log.parent.mkdir(parents=True)
    early = '{"ts":"2026-11-29T03:27:50.000Z","msg":"starting an etcd server"}\n'
    late = '{"ts":"2026-11-29T03:27:55.000Z","msg":"became leader at term 7"}\n'
    log.write_text(early + 2 * late + "no date at all\n")
    assert dict(loglines.counted(tmp_path, "2026-11-29T03:27:52.123+00:00")) == {"became leader at term #": 2}


def test_states_are_few_and_tell_of_what_happened():
    plain = {
        "leaders": [{"node": "n1"}, {"node": "n2"}, {"node": "n1"}],
        "gates": [{"name": "success", "holds": False}, {"name": "operations", "holds": True}],
        "statistics": {"by_function": {"read": {"ok": 1000, "fail": 0, "info": 3}}},
        "faults": [{"fault": "kill", "target": "leader", "outcome": "ok", "detail": {"then": "kill"}}],
    }
    found = states.of_results(msgspec.convert(plain, Results), [STALE])
    assert {
        "leaders 2",
        "leading nodes 2",
        "gate success",
        "operation read ok 512",
        "operation read info 2",
    } <= found
    assert {"anomaly linearizable:stale-read", "fault kill leader ok", "fault kill then kill"} <= found


def trial(*signatures):
    return Trial("anomaly", frozenset(signatures), None, 1.0, "said")


def shown(number):
    return Shown(
        number, f"command {number}", "", "anomaly", 1, "", (), "", 1.0, float(number), 0, 1, "register", ""
    )


def test_weak_reads_are_held_to_linearizability_and_what_is_documented_is_told():
    consul = space_of(Test(system="consul"), workloads=("register",), faults=("kill",))
    assert consul.base.settings["weak_reads"] == "linearizable"
    given = Test(system="consul", settings={"weak_reads": "promise"})
    assert space_of(given, workloads=("register",), faults=("kill",)).base.settings["weak_reads"] == "promise"
    strong = Test(system="consul", settings={"reads": "consistent"})
    assert "weak_reads" not in space_of(strong, workloads=("register",), faults=("kill",)).base.settings
    weak = JudgedReads(
        mode="reads=default", says="a deposed leader may answer", link="https://x", held_to="linearizable"
    )
    assert "documented to allow" in documented(Results(weak_reads=weak), STALE)
    assert documented(Results(weak_reads=weak), Signature("linearizable", "phantom-value")) == ""
    assert documented(Results(weak_reads=msgspec.structs.replace(weak, held_to="own promise")), STALE) == ""
    assert documented(Results(), STALE) == ""


def test_findings_are_told_once_and_waived_by_kind():
    findings = Findings("etcd@3.5.16", waivers.of_words(["stale-read"]))
    lost = Signature("linearizable", "lost-update")
    assert [one.signature for one in findings.add(shown(1), trial(STALE, lost))] == [str(lost), str(STALE)]
    assert findings.add(shown(2), trial(STALE)) == []
    assert [(one.signature, one.runs, one.ignored) for one in findings.all] == [
        (str(lost), 1, ""),
        (str(STALE), 2, "--ignore"),
    ]
    assert [one.command for one in findings.counting] == ["command 1"]
    assert without_workload(Signature("lock/linearizable", "stale-read")) == STALE


def test_a_file_of_waivers(tmp_path):
    path = tmp_path / "waivers.toml"
    path.write_text('[[waiver]]\nanomaly = "linearizable:stale-read"\nsystem = "etcd"\nlink = "https://x"\n')
    (one,) = waivers.read(path)
    assert one.covers(STALE, "etcd@3.5.1")
    assert not one.covers(STALE, "consul")
    assert not one.covers(Signature("linearizable", "lost-update"), "etcd")
    for wrong in ("x = 1", '[[waiver]]\nanomly = "x"', "[[waiver]"):
        path.write_text(wrong)
        with pytest.raises(UsageError, match=r"waivers\.toml"):
            waivers.read(path)


def invoke(tmp_path, *words):
    # The sanest way to the exit code: the command's own return value, as `main` takes it.
    result = CliRunner().invoke(command, [*words, "--store", str(tmp_path)], standalone_mode=False)
    assert result.exception is None, result.output
    return result.return_value, result.output


HUNT = (
    "simulated",
    "-w",
    "register",
    "-w",
    "counter",
    "-f",
    "kill",
    "--run-time",
    "6s",
    "--runs",
    "4",
    "--seed",
    "3",
)


def test_a_planted_bug_is_found_and_told_everywhere(tmp_path):
    junit = tmp_path / "out.xml"
    code, output = invoke(tmp_path, *HUNT, "--set", "bug=lost-write", "--json", "--junit", str(junit))
    found = json.loads(output)
    assert code == found["exit_code"] == 1
    assert found["findings"]
    assert found["findings"][0]["command"].startswith("quorate test simulated -w ")
    assert "bug=lost-write" in found["findings"][0]["command"]
    assert 'failures="' in junit.read_text()
    assert 'failures="0"' not in junit.read_text()
    assert (tmp_path / "hunts" / "simulated").is_dir()


def test_what_is_ignored_does_not_count(tmp_path):
    words = [
        *HUNT,
        "--set",
        "bug=lost-write",
        "--json",
        "--ignore",
        "linearizable",
        "--ignore",
        "servers-stay-up",
    ]
    code, output = invoke(tmp_path, *words, "--ignore", "versions-never-regress")
    found = json.loads(output)
    assert code == 0
    assert found["findings"]
    assert all(one["ignored"] for one in found["findings"])


def test_the_correct_system_is_quiet(tmp_path):
    code, output = invoke(tmp_path, *HUNT)
    assert code == 0
    assert "Nothing was found" in output
