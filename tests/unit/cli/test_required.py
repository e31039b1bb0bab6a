"""What a machine lacks is reported before anything is built or made: no folder, and `latest` stays where it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import mock

import pytest

from quorate.harness.cli.main import main
from quorate.harness.cluster import doctor
from quorate.harness.core import registry
from quorate.harness.core.fault import make
from quorate.harness.core.finding import Finding
from quorate.harness.systems.etcd import Etcd


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that can do everything, as root; servers are there."""
    for name in ("wires", "cuts", "losses", "packet_queue", "strace", "ptrace", "file_systems"):
        monkeypatch.setattr(doctor, name, lambda name=name: Finding(name, ok=True))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Etcd, "unobtainable", lambda _: None)
    return monkeypatch


def refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str, system: str = "etcd"
) -> tuple[int, str]:
    store = tmp_path / "store"
    (store / "old").mkdir(parents=True)
    (store / "latest").symlink_to("old")
    command = [
        "quorate",
        "test",
        system,
        "--cluster",
        "local",
        "--time",
        "30s",
        "--store",
        str(store),
        *words,
    ]
    with mock.patch.object(sys, "argv", command), pytest.raises(SystemExit) as ended:
        main()
    code = int(ended.value.code or 0)
    assert sorted(path.name for path in store.iterdir()) == ["latest", "old"]
    assert (store / "latest").readlink() == Path("old")
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("probe", "fault"),
    [
        ("cuts", "partition"),
        ("losses", "packet"),
        ("packet_queue", "packet"),
        ("strace", "disk"),
        ("ptrace", "clock"),
        ("file_systems", "powerloss"),
        ("wires", "kill"),
    ],
)
def test_what_a_fault_needs_is_tried_first(able, tmp_path, capsys, probe, fault):
    able.setattr(doctor, probe, lambda: Finding("the thing", ok=False, reason="not here", mend="get it"))
    code, said = refused(tmp_path, capsys, "-f", fault)
    assert code == 3
    assert "the thing: not here - get it" in said


def test_all_that_is_missing_is_reported_at_once(able, tmp_path, capsys):
    able.setattr(doctor, "strace", lambda: Finding("strace", ok=False, reason="not found", mend="get it"))
    able.setattr(Etcd, "unobtainable", lambda _: "go not found")
    code, said = refused(tmp_path, capsys, "-f", "disk,kill")
    assert code == 3
    assert "strace: not found - get it" in said
    assert "server: go not found" in said


def test_a_server_of_ones_own_that_is_not_there_is_wrong_usage(tmp_path, capsys, able):
    able.undo()
    able.setattr(doctor, "wires", lambda: Finding("wires", ok=True))
    able.setattr(os, "geteuid", lambda: 0)
    code, said = refused(tmp_path, capsys, "--set", "binary=/nowhere/etcd")
    assert code == 4
    assert "/nowhere/etcd" in said


def test_a_release_without_its_tools_is_refused_with_the_other_ways(tmp_path, capsys, able, monkeypatch):
    able.undo()
    able.setattr(doctor, "wires", lambda: Finding("wires", ok=True))
    able.setattr(os, "geteuid", lambda: 0)
    able.setenv("PATH", str(tmp_path))
    able.setenv("XDG_CACHE_HOME", str(tmp_path))
    code, said = refused(tmp_path, capsys, system="etcd@3.6.5")
    assert code == 3
    assert "go not found" in said
    assert "--set binary=PATH" in said


def test_every_fault_that_goes_beyond_processes_and_signals_says_what_it_needs():
    needing = {name for name in registry.names("faults") if make(name, {}).probes()}
    assert needing == {"client-partition", "channel", "partition", "packet", "clock", "disk", "powerloss"}
    assert make("staged", {"staged.how": "kill,powerloss"}).probes()
