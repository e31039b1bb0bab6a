"""Histories judged event by event: an alarm is final, what is wrong is found by the end, and memory stays flat."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from quorate.checkers.online import Online
from quorate.harness.history import Event
from quorate.harness.history.native import Handle, check
from tests.quality import oracle
from tests.quality.histories import FUNCTIONS, Maker, join

SEED = 20_260_201


def fed(online: Online, events: list[dict[str, Any]]) -> int:
    """Feed all, then the end; return the most events that were held."""
    most = 0
    for at, event in enumerate(events):
        online.feed(Event(index=at, **event))
        most = max(most, online.held)
    online.look()
    return most


@pytest.mark.parametrize("model", sorted(FUNCTIONS))
@pytest.mark.parametrize("unique", [False, True], ids=["values again", "values once"])
def test_small_histories_online_as_by_the_oracle(model: str, unique: bool) -> None:  # noqa: FBT001 - a parameter
    tally: Counter[tuple[bool, bool]] = Counter()
    forgot = 0
    for number in range(150):
        events = Maker(SEED + number, model, size=9, processes=4, unique=unique).history()
        valid = oracle.linearizable(events, model)
        for batch in (1, 4):
            online = Online(model, batch=batch)
            fed(online, events)
            tally[valid, online.anomaly is None] += 1
            forgot += online.anomaly is None and online.held < len(events)
            assert not (valid and online.anomaly), f"false alarm: seed {SEED + number}, batch {batch}"
    # Where values come again, a forgotten read may have been the only one that distinguished them.
    exact = unique and model != "set"
    assert tally[False, True] <= (0 if exact else tally[False, False] / 10), f"missed: {tally}"
    assert min(tally[True, True], tally[False, False], forgot) > 20, (
        f"too few prove nothing: {tally}, {forgot}"
    )


@pytest.mark.parametrize("model", sorted(FUNCTIONS))
@pytest.mark.parametrize("unique", [False, True], ids=["values again", "values once"])
def test_longer_histories_online_as_offline(model: str, unique: bool) -> None:  # noqa: FBT001 - a parameter
    histories = [Maker(SEED + n, model, size=50, processes=4, unique=unique).history() for n in range(60)]
    handle = Handle("jsonl")
    handle.feed(msgspec.json.Encoder().encode_lines(join(histories)))
    handle.finish()
    request = {"engine": "linear:auto", "model": model, "parts": True, "explain": False, "every_key": True}
    verdicts = {part["key"]: part["verdict"] for part in check(handle, request)["keys"]}
    missed = 0
    for number, events in enumerate(histories):
        online = Online(model, batch=5)
        fed(online, events)
        assert verdicts[number] != "valid" or online.anomaly is None, f"false alarm: seed {SEED + number}"
        missed += verdicts[number] == "invalid" and online.anomaly is None
    # An alarm needs a second judge within one look's limits; strings built by open appends can be beyond these, and are
    # left to the judgement of the finished history.
    exact = unique and model not in {"set", "kv"}
    assert missed <= (0 if exact else len(histories) / 20), f"{missed} missed"


def rounds(model: str, count: int, *, wrong_at: int | None = None) -> list[Event]:
    """Clients on one object for a long time, two at once; one in 50 never learns; at `wrong_at` an answer is wrong."""
    steps: dict[str, list[tuple[str, Any, Any, Any]]] = {
        "cas-register": [("write", "n", "n", "n"), ("read", None, "n", -1)],
        "kv": [("append", "n", "n", "n"), ("delete", None, None, None), ("read", None, None, "x")],
        "set": [("add", "n", "n", "n"), ("contains", "n", True, False), ("remove", "n", "n", "n")],
        "queue": [("enqueue", "n", "n", "n"), ("dequeue", None, "n", "n-1")],
        "unordered-queue": [("enqueue", "n", "n", "n"), ("dequeue", None, "n", "n-1")],
        "counter": [("add", 1, 1, 1), ("read", None, "n+1", 0)],
        "lock": [("acquire", None, None, None), ("release", None, None, None)],
        "fenced-lock": [("acquire", None, "n", "n-1"), ("release", None, None, None)],
    }
    events: list[Event] = []

    def put(process: int, kind: str, f: str, value: Any) -> None:
        events.append(Event(len(events), len(events) * 10, process, kind, f, None, value))

    for number in range(count):
        named = {"n": number, "n-1": number - 1, "n+1": number + 1}
        if model == "kv":
            named = {"n": str(number)}
        for f, asked, told, wrong in steps[model]:
            bad = number == wrong_at and wrong != told
            put(number % 7, "invoke", f, named.get(asked, asked))
            put(number % 7, "ok", f, named.get(wrong, wrong) if bad else named.get(told, told))
        if number == wrong_at and model == "lock":
            put(8, "invoke", "release", None)
            put(8, "ok", "release", None)
        if number % 50 == 49 and model not in ("lock", "fenced-lock"):
            look = {"queue": "dequeue", "unordered-queue": "dequeue", "set": "contains"}.get(model, "read")
            put(1000 + number, "invoke", look, number if model == "set" else None)
            put(1000 + number, "info", look, None)
    return events


@pytest.mark.parametrize("model", sorted(FUNCTIONS))
def test_memory_is_flat_and_the_alarm_comes_at_once(model: str) -> None:
    count, batch = 2000, 100
    quiet = Online(model, batch=batch)
    most = 0
    for event in rounds(model, count):
        quiet.feed(event)
        most = max(most, quiet.held)
    assert quiet.look() is None
    assert most < 8 * batch, f"{most} events held"

    online = Online(model, batch=batch)
    wrong_at = count * 3 // 4
    for event in rounds(model, count, wrong_at=wrong_at):
        if online.feed(event) is not None:
            break
    assert online.anomaly is not None
    assert event.index < len(rounds(model, wrong_at)) + 3 * batch
