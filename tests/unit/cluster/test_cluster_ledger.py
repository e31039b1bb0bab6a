"""The ledger: who is dead, what he made, and that half a line does no harm."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.harness.cluster import identity, ledger, processes, state, subnets, sweep
from quorate.harness.cluster.ledger import Ledger
from quorate.harness.core.outcome import Broken

ROOT = Path(__file__).parents[3]
HOLD = """
import os, sys
from quorate.harness.cluster import ledger
book = ledger.Ledger.open(sys.argv[1])
book.record(ledger.DIRECTORY, sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(state.STATE_VARIABLE, str(tmp_path / "state"))
    monkeypatch.setenv(state.DATA_VARIABLE, str(tmp_path / "data"))


def hold(run_id: str, directory: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, run_id, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_run_is_alive_until_its_process_is_dead(tmp_path: Path) -> None:
    run_id = identity.new_run_id()
    made = tmp_path / "data" / run_id
    made.mkdir(parents=True)
    process = hold(run_id, made)
    assert sweep() == []
    assert made.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [line.split(":")[0] for line in sweep()] == [run_id]
    assert not made.exists()
    assert not ledger.exists(run_id)
    assert sweep() == []


def test_a_run_of_this_process_is_never_swept_and_reading_does_not_lose_its_lock(tmp_path: Path) -> None:
    run_id = identity.new_run_id()
    book = Ledger.open(run_id)
    book.record(ledger.DIRECTORY, str(tmp_path / "data" / run_id))
    assert sweep(kept_too=True) == []  # would close a second file on it, and with that drop the lock
    script = "from quorate.harness.cluster import sweep; print(sweep(kept_too=True))"
    swept = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert swept.stdout == "[]\n"
    assert [record.kind for record in book.records()] == [ledger.OWNER, ledger.DIRECTORY]
    book.remove()
    book.remove()
    assert ledger.ledgers() == []


def test_kept_runs_stay(tmp_path: Path) -> None:
    run_id = identity.new_run_id()
    book = Ledger.open(run_id)
    book.keep()
    book.release()
    assert sweep() == []
    assert sweep(keep=[run_id], kept_too=True) == []
    assert len(sweep(kept_too=True)) == 1


def test_a_line_cut_short_by_a_kill_is_ignored(tmp_path: Path) -> None:
    run_id = identity.new_run_id()
    book = Ledger.open(run_id)
    book.record(ledger.DIRECTORY, str(tmp_path / "data" / run_id))
    book.release()
    path = ledger.ledgers()[0]
    path.write_bytes(path.read_bytes() + b'{"kind":"direc')
    with ledger.claim_dead(path) as dead:
        assert dead is not None
        assert [record.kind for record in dead.records] == [ledger.OWNER, ledger.DIRECTORY]


def test_an_unfinished_ledger_is_removed() -> None:
    draft = ledger.runs_directory() / f".{identity.new_run_id()}.1"
    draft.write_text("")
    sweep()
    assert not draft.exists()


def test_two_runs_of_one_name_are_refused() -> None:
    book = Ledger.open("q0000000001")
    with pytest.raises(Broken, match="run-exists"):
        Ledger.open("q0000000001")
    assert list(ledger.runs_directory().glob(".q*")) == []
    book.remove()


def test_run_ids_sort_by_time_and_fit_in_interface_names(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for seconds in (1_704_067_201, 1_763_000_000, 1_763_000_001, 2_700_000_000):
        monkeypatch.setattr("time.time", lambda seconds=seconds: float(seconds))
        ids.append(identity.new_run_id(random.Random(0)))
    assert ids == sorted(ids)
    assert all(identity.is_run_id(one) and len(one) <= 13 for one in ids)
    assert len({identity.new_run_id() for _ in range(50)}) == 50
    assert not any(
        map(identity.is_run_id, ["", "q", "../../etc", "q0000000000/", "x0000000000", "q00000000O0"])
    )


def test_an_owner_is_dead_when_gone_reused_or_of_another_boot() -> None:
    me = identity.this_owner()
    assert identity.is_dead(me) is False
    assert (
        identity.is_dead(identity.Owner(me.machine, me.boot, me.pid, me.start + 1)) is True
    )  # its pid was reused
    assert identity.is_dead(identity.Owner(me.machine, "other", me.pid, me.start)) is True
    assert identity.is_dead(identity.Owner("elsewhere", me.boot, 1, 1)) is None
    child = subprocess.Popen(["sleep", "100"])
    start = processes.start_ticks(child.pid)
    child.kill()
    child.wait()
    assert identity.is_dead(identity.Owner(me.machine, me.boot, child.pid, start or 0)) is True


def test_subnets_of_living_runs_differ_and_dead_ones_are_taken_over() -> None:
    books = [Ledger.open(f"q000000000{number}") for number in range(1, 6)]
    claimed = [subnets.claim(book) for book in books]
    assert len(set(claimed)) == 5
    assert all(subnet.subnet_of(subnets.RANGE) and subnet.prefixlen == 24 for subnet in claimed)
    subnets.release(str(claimed[0].network_address), "q0000000002")  # not its own: nothing happens
    assert (state.state_directory() / "subnets" / str(claimed[0].network_address)).exists()
    books[0].remove()  # its lock is left behind, as after a kill and a half sweep
    again = Ledger.open("q0000000007")
    others = [subnet for subnet in subnets.candidates("") if subnet != claimed[0]]
    assert subnets.claim(again, refused=others) == claimed[0]
    with pytest.raises(Broken, match="no-subnet"):  # now it is taken
        subnets.claim(books[1], refused=others)
    for book in (*books, again):
        book.remove()


def test_subnets_avoid_routes_and_end_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Ledger.open("q0000000009")
    first = next(subnets.candidates(book.run_id))
    monkeypatch.setattr(subnets, "routes", lambda: [first])
    assert subnets.claim(book) != first
    with pytest.raises(Broken, match="quorate clean"):
        subnets.claim(book, refused=[subnets.RANGE])
    assert len(set(subnets.candidates(book.run_id))) == 512
    book.remove()


def test_routes_are_read_from_the_kernel_s_table(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "br0\t0004 garbage\n"
        "br1\t000712C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert [str(network) for network in subnets.routes(table)] == ["198.18.7.0/24"]
    assert subnets.routes(tmp_path / "none") == []


def test_a_state_directory_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(state.STATE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(Broken, match=state.STATE_VARIABLE):
        state.state_directory()
