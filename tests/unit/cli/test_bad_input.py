"""Every bad input gets exit code 4 and an answer that says what to do; nothing is started, nothing is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from quorate.harness.cli.main import main

FILES = {
    "cut.toml": 'name = "x\n',
    "binary.toml": b"\xff\xfe\x00",
    "empty.toml": "",
    "names.toml": '[matrix]\nsystem = "etcdd"\n',
    "keys.toml": '[[include]]\nsystem = "simulated"\nnods = 3\n',
    "good.toml": '[[include]]\nsystem = "simulated"\ntime = "1s"\n',
    "late.toml": '[[fault]]\nat = "20s"\nfor = "1s"\nfault = "kill"\n',
    "hello.txt": "hello",
    "empty.jsonl": "",
    "cut.jsonl": '{"process":0,"type":"inv',
    "odd.jsonl": '{"process":0,"type":"invoke","f":"frob"}\n',
    "txn.jsonl": '{"process":0,"type":"invoke","f":"txn","value":[5,["r","x"],"y"]}\n',
    "txn2.jsonl": '{"process":0,"type":"invoke","f":"txn","value":5}\n',
    "archive.zip": b"PK\x03\x04" + bytes(30),
    "camp/campaign.json": json.dumps({"name": "c", "cells": []}),
    "camp/cells.jsonl": "",
    "run/test.json": json.dumps({"system": "simulated", "workload": ["register"]}),
    "none/x": "",
}
TABLE = [
    ("tset", 'did you mean "test"'),
    ("test", "Missing argument 'SYSTEM'"),
    ("test etdc", 'did you mean "etcd"'),
    ("test etcd@", "write SYSTEM or SYSTEM@RELEASE"),
    ("test simulated -w regster", 'did you mean "register"'),
    ("test simulated -w register -w register", "name each workload once"),
    ("test simulated -f partion", 'did you mean "partition"'),
    ("test simulated -f partition:ledaer", 'did you mean "leader"'),
    ("test simulated --cluster dcoker", 'did you mean "docker"'),
    ("test simulated --time 10", "write 500ms, 30s"),
    ("test simulated --time 0s", "--time must be positive"),
    ("test simulated --timeout 0s", "--timeout must be positive"),
    ("test simulated --check-time 0s", "--check-time must be positive"),
    ("test simulated --check-memory 5", "give 16MiB or more"),
    ("test simulated --check-memory 1QB", "write 256MiB"),
    ("test simulated --nodes 0", "give 1 to 63 nodes"),
    ("test simulated --clients 0", "give 1 to 100000 clients"),
    ("test simulated --rate nan", "operations per second"),
    ("test simulated --rate inf", "operations per second"),
    ("test simulated@1.2", "simulated has no releases"),
    ("test simulated --cluster docker", "needs a real service"),
    ("test simulated -f none,kill", "none cannot be combined"),
    ("test simulated --set pinning=typo", "known: all, none, mixed"),
    ("test simulated --set gate.operations=-5", "give a whole number of 0 or more"),
    ("test simulated --set gate.success=nan", "give a number from 0 to 1"),
    ("test simulated -w append --set bug=dirty-read", "does nothing with append"),
    ("test simulated -w lock --set bug=stale-read", "does nothing with lock"),
    ("test simulated --time 10s --schedule late.toml", "comes after the load"),
    ("test simulated --seed abc", "not a valid integer"),
    ("test simulated --set foo", "KEY=VALUE"),
    ("test simulated --set bug=nope", "known: none, stale-read"),
    ("test simulated --set raed_share=1", 'did you mean "read_share"'),
    ("test simulated --set read_share=2", "give a number from 0 to 1"),
    ("test simulated --image x", "--cluster docker"),
    ("test etcd --image x --cluster local", "--cluster docker"),
    ("test etcd --cluster ssh", "needs --inventory"),
    ("test zookeeper -w kubernetes", "zookeeper has no Objects and no Watches and no Revisions here"),
    ("test etcd --cluster ssh --inventory nofile.toml", "cannot read the inventory nofile.toml"),
    ("test etcd --cluster ssh --inventory cut.toml", "not valid TOML"),
    ("test etcd --cluster ssh --inventory empty.toml", "has no [[hosts]]"),
    ("test zookeeper@3.4.14 -f member", "reconfiguration came with 3.5"),
    ("images build jer", 'did you mean "jre"'),
    ("test consul -w register -w queue", "consul has no Queues here"),
    ("test simulated --schedule nofile.toml", "cannot read the schedule nofile.toml"),
    ("test simulated -f kill --time 1s", "leaves no room for a fault"),
    ("test simulated --store hello.txt", "is a file"),
    ("campaign nofile.toml", "does not exist"),
    ("campaign cut.toml", "line 1"),
    ("campaign binary.toml", "not text in UTF-8"),
    ("campaign empty.toml", "give [matrix] or [[include]]"),
    ("campaign names.toml", 'names.toml:2: unknown system "etcdd"'),
    ("campaign keys.toml", 'did you mean "nodes"'),
    ("campaign good.toml --on foo", "dask://HOST:PORT"),
    ("campaign good.toml --baseline none", "holds no records of a campaign"),
    ("campaign good.toml --resume", "run it without --resume"),
    ("check nofile", "no file or run at nofile"),
    ("check hello.txt", "hello.txt, line 1"),
    ("check empty.jsonl", "empty.jsonl: the history has no operations"),
    ("check cut.jsonl", "cut.jsonl: the history has no operations"),
    ("check cut.jsonl", "ends in the middle of an event"),
    ("check odd.jsonl", "odd.jsonl: no model knows all of frob"),
    ("check txn.jsonl", "--as append or --as rw"),
    ("check txn2.jsonl", "--as append or --as rw"),
    ("check txn.jsonl --as append --engine porcupine", "transactions are judged by the native engine alone"),
    ("check archive.zip", "is a zip archive"),
    ("check none", "is not a run folder"),
    ("check run --expect strict", "add --as MODEL"),
    ("check run --format edn", "add --as MODEL"),
    ("check run --check-time 0s", "must be positive"),
    ("report nofile", "no run at nofile"),
    ("report none", "is not a run folder"),
    ("report camp", "is a campaign: name one of its runs"),
    ("report run run --output hello.txt", "several reports need a folder"),
    ("compare nofile nofile", "does not exist"),
    ("compare run camp", "compare two of a kind"),
    ("compare run none", "is not a run folder"),
    ("show nofile", "`quorate test` makes one"),
    ("replay none", "is not a run folder"),
    ("serve nofile", "does not exist"),
    ("serve --port 99999 .", "not in the range"),
    ("list", "Missing argument 'KIND'"),
    ("list foo", "is not one of"),
    ("list releases etdc", 'did you mean "etcd"'),
    ("list workloads regster", 'did you mean "register"'),
    ("list models register", "it takes no name"),
    ("fetch etdc", 'did you mean "etcd"'),
    ("doctor foo", "unexpected extra argument"),
]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch, capsys, *words: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["quorate", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out + told.err


@pytest.mark.parametrize(("command", "answer"), TABLE, ids=[command for command, _ in TABLE])
def test_bad_input_is_answered(here, monkeypatch, capsys, command, answer):
    before = sorted(path for path in here.rglob("*"))
    code, told = run(monkeypatch, capsys, *command.split())
    assert answer in " ".join(told.split())
    assert code == 4
    assert "Traceback" not in told
    assert sorted(path for path in here.rglob("*")) == before


def test_what_a_workload_a_fault_and_a_system_can_be_told(here, monkeypatch, capsys):
    for words, wanted in (
        ("list workloads register", "read_share"),
        ("list faults kill", "Targets, as in -f kill:leader"),
        ("list systems etcd", "reads"),
    ):
        code, told = run(monkeypatch, capsys, *words.split())
        assert code == 0
        assert wanted in told
        assert max(map(len, told.splitlines())) <= 120
    code, told = run(monkeypatch, capsys, "list", "workloads", "register", "--json")
    assert "read_share" in json.loads(told)


def test_show_prints_a_campaign_and_exits_as_it_did(here, monkeypatch, capsys):
    cell = {"name": "etcd register kill", "system": "etcd", "faults": "kill", "verdict": "valid", "seed": 3}
    (here / "camp/campaign.json").write_text(json.dumps({"name": "night", "cells": [cell], "time_s": 4}))
    code, told = run(monkeypatch, capsys, "show", "camp")
    assert code == 0
    assert "✓ kill: valid" in told
    assert "night: 1 run: 1 as expected" in told
