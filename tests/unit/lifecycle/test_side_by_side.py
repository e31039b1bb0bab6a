"""Several workloads in one run: the workload sees its own names, the service and the history never mix them up."""

from __future__ import annotations

import pytest

from quorate import Test, run
from quorate.harness.history import History


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    store = str(tmp_path_factory.mktemp("store"))
    test = Test(
        system="simulated",
        workload=("register", "append", "rw", "set"),
        clients=16,
        time=10.0,
        seed=3,
        store=store,
    )
    return run(test)


def test_all_guarantees_are_judged_by_themselves(done):
    assert (done.verdict, done.exit_code) == ("valid", 0), done.results.reason
    judged = {result.guarantee.partition(":")[0] for result in done.results.guarantees}
    assert judged == {"register", "append", "rw", "set", "servers-stay-up"}


def test_final_reads_read_what_was_written(done):
    """A final read of a key that was never written would prove nothing."""
    operations = History.read(done.folder).operations()
    written = {op.invoke.key for op in operations if op.invoke.f == "register/write" and op.outcome == "ok"}
    last = {op.invoke.key: op for op in operations if op.invoke.f == "register/read"}
    finals = [op for key, op in last.items() if key in written]
    assert len(finals) == len(written)
    assert all(op.completion is not None and op.completion.value is not None for op in finals)
    assert all(op.invoke.key.count("/") == 1 for op in last.values())


def test_workloads_of_transactions_do_not_share_keys(done):
    """Lists of append and values of rw would meet under the same key."""
    for op in History.read(done.folder).operations():
        if op.outcome == "ok" and op.invoke.f in {"append/txn", "rw/txn"}:
            for function, _, value in op.completion.value:
                if function == "r" and value is not None:
                    assert isinstance(value, list) == (op.invoke.f == "append/txn")


def test_a_bug_in_one_is_told_of_that_one(tmp_path):
    test = Test(
        system="simulated", workload=("register", "set"), time=10.0, seed=3, store=str(tmp_path),
        settings={"bug": "stale-read"},
    )  # fmt: skip
    found = run(test)
    assert found.exit_code == 1
    broken = {result.guarantee for result in found.results.guarantees if result.verdict == "invalid"}
    assert any(name.startswith("register:") for name in broken)


def test_workloads_that_reserve_clients_find_theirs(tmp_path):
    """Wherever they stand in the row, their own blocks are counted among their own clients."""
    names = ("ids", "lease", "watch", "election")
    test = Test(system="simulated", workload=names, clients=24, time=12.0, seed=3, store=str(tmp_path))
    done = run(test)
    assert (done.verdict, done.exit_code) == ("valid", 0), done.results.reason
