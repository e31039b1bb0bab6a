"""Reports of etcd's robustness tests: what each request becomes, and that what is wrong in them is found."""

import json

import pytest

from quorate.checkers.linearizable import Linearizable
from quorate.checkers.watches import WatchesAreReliable
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import History, HistoryError

LIMITS = Limits(time_s=10)


def put(key, value, lease=0):
    return {
        "Type": "put-operation",
        "Put": {"Key": key, "Value": {"Value": value}, "LeaseID": lease},
    }


def delete(key):
    return {"Type": "delete-operation", "Delete": {"Key": key}}


def txn(client, call, back, success, failure=(), *, conditions=(), error="", refused=False):
    request = {
        "Conditions": list(conditions),
        "OperationsOnSuccess": list(success),
        "OperationsOnFailure": list(failure),
    }
    answer = None if error else {"Failure": refused, "Results": []}
    return {
        "ClientId": client,
        "Input": {"Type": "txn", "Txn": request},
        "Call": call,
        "Output": {"Txn": answer, "Revision": 2, "Error": error},
        "Return": back,
    }


def look(client, call, back, shown, start="a", end="", *, revision=0, limit=0):
    kvs = [{"Key": key, "Value": {"Value": value}, "ModRevision": 2} for key, value in shown.items()]
    return {
        "ClientId": client,
        "Input": {
            "Type": "range",
            "Range": {"Start": start, "End": end, "Limit": limit, "Revision": revision},
        },
        "Call": call,
        "Output": {"Range": {"KVs": kvs, "Count": len(kvs)}, "Revision": 2, "Error": ""},
        "Return": back,
    }


def revoke(client, call, back, lease):
    return {
        "ClientId": client,
        "Input": {"Type": "leaseRevoke", "LeaseRevoke": {"LeaseID": lease}},
        "Call": call,
        "Output": {"LeaseRevoke": {}, "Revision": 2, "Error": ""},
        "Return": back,
    }


def saved(folder, rows, name="operations.json"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def verdict(path):
    return Linearizable("register").check(History.read(path), LIMITS).verdict


@pytest.mark.parametrize(
    "rows",
    [
        [txn(1, 1, 2, [put("a", "1")]), look(1, 3, 4, {"a": "1"})],
        [txn(1, 1, 2, [put("a", "1")]), txn(1, 3, 4, [delete("a")]), look(1, 5, 6, {})],
        # It is unknown whether it took effect, or when.
        [txn(1, 1, 0, [put("a", "1")], error="timeout"), look(2, 3, 4, {}), look(2, 5, 6, {"a": "1"})],
        # A refused condition wrote what stands under failure.
        [txn(1, 1, 2, [put("a", "1")], [put("a", "2")], refused=True), look(1, 3, 4, {"a": "2"})],
        # The end of a lease deletes the key at any time from then on.
        [txn(1, 1, 2, [put("a", "1", 7)]), revoke(1, 3, 4, 7), look(1, 5, 6, {})],
        # Old reads and reads cut by a limit say nothing of what is not there.
        [txn(1, 1, 2, [put("a", "1")]), look(1, 3, 4, {}, revision=1)],
        [txn(1, 1, 2, [put("a", "1"), put("b", "2")]), look(1, 3, 4, {"a": "1"}, end="c", limit=1)],
    ],
)
def test_what_etcd_may_answer_is_valid(tmp_path, rows):
    assert verdict(saved(tmp_path, rows)) is Verdict.VALID


@pytest.mark.parametrize(
    "rows",
    [
        [txn(1, 1, 2, [put("a", "1")]), look(2, 3, 4, {})],
        [txn(1, 1, 2, [put("a", "1")]), txn(1, 3, 4, [delete("a")]), look(2, 5, 6, {"a": "1"})],
        [txn(1, 1, 2, [put("a", "1")], refused=True), look(2, 3, 4, {"a": "1"})],
        [txn(1, 1, 2, [put("a", "1"), put("b", "2")]), look(2, 3, 4, {"a": "1"}, end="c")],
        [txn(1, 1, 2, [put("b", "2")]), look(2, 3, 4, {}, end="\0")],
    ],
)
def test_what_etcd_must_not_answer_is_found(tmp_path, rows):
    assert verdict(saved(tmp_path, rows)) is Verdict.INVALID


def test_the_folder_of_all_clients_is_one_history(tmp_path):
    saved(tmp_path / "client-1", [txn(1, 1, 2, [put("a", "1")])])
    saved(tmp_path / "client-2", [look(2, 3, 4, {})])
    history = History.read(tmp_path)
    assert [event.f for event in history.events()] == ["write", "write", "read", "read"]
    assert "robustness" in history.notes[0]
    assert verdict(tmp_path) is Verdict.INVALID


def shown(*responses, key="", revision=1):
    return {
        "Request": {"Key": key, "Revision": revision, "WithPrefix": True},
        "Responses": [
            {
                "Events": [
                    {"Type": "put-operation", "Key": name, "Value": {"Value": str(at)}, "Revision": at}
                    for name, at in events
                ],
                "Revision": at_most,
                "IsProgressNotify": not events,
                "Time": place,
            }
            for place, (at_most, events) in enumerate(responses)
        ],
    }


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([shown((2, [("a", 2)]), (3, [("b", 3)]))], Verdict.VALID),
        ([shown((2, [("a", 2)]), (3, [("b", 3)])), shown((3, [("b", 3)]), revision=0)], Verdict.VALID),
        ([shown((3, [("b", 3)]), (2, [("a", 2)]))], Verdict.INVALID),
        (
            [
                shown((2, [("a", 2)]), (3, [("b", 3)]), (4, [("a", 4)])),
                shown((2, [("a", 2)]), (4, [("a", 4)])),
            ],
            Verdict.INVALID,
        ),
        ([shown((3, [])), shown((2, [("a", 2)]))], Verdict.INVALID),
        # Another filter shows less, and is left out.
        (
            [
                shown((2, [("a", 2)]), (3, [("b", 3)])),
                shown((2, [("a", 2)])),
                shown((3, [("b", 3)]), key="b"),
            ],
            Verdict.VALID,
        ),
    ],
)
def test_watches_are_held_to_their_promises(tmp_path, rows, expected):
    history = History.read(saved(tmp_path, rows, "watch.json"))
    assert WatchesAreReliable().check(history, LIMITS).verdict is expected


@pytest.mark.parametrize(
    "text", ['{"ClientId": 1, "Input": {"Type": "txn"}}', '{"ClientId": 1, "Input": {]}']
)
def test_a_report_that_is_not_as_written_is_refused_with_what_it_is(tmp_path, text):
    path = tmp_path / "operations.json"
    path.write_text(text + "\n")
    with pytest.raises(HistoryError, match="robustness tests"):
        History.read(path)
