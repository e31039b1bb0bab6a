"""Models that the native core knows by one step: engines, record and brute force agree, and three files name one."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from quorate.checkers import Linearizable, check
from quorate.checkers.models import MODELS
from quorate.checkers.models.model import Model, Operation
from quorate.checkers.refute import refute
from quorate.checkers.verify import verify
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History

ROOT = Path(__file__).parents[3]
SHORT = {name: model for name, model in MODELS.items() if not model.apart}
HISTORIES = 1500
LIMITS = Limits(time_s=20)
ANSWERS = (None, 0, 1, 2, True, False)


def drawn(model: Model, rng: Random) -> list[Event]:
    """A few clients at once; answers come from a real object most of the time, and some outcomes are unknown."""
    events: list[Event] = []
    state, waiting, clients = model.initial, {}, [0, 1, 2]
    for _ in range(rng.randrange(4, 14)):
        process = rng.choice(clients)
        if process not in waiting:
            f, asked = rng.choice(sorted(model.functions)), rng.choice((None, 1, 2))
            waiting[process] = (f, asked, len(events))
            events.append(Event(len(events), len(events), process, "invoke", f, "k", asked))
            continue
        f, asked, call = waiting.pop(process)
        followers = {
            (got, after)
            for got in ANSWERS
            for after in steps(model, state, Operation(process, f, asked, got, known=True))
        }
        if followers and rng.random() < 0.9:
            got, state = rng.choice(sorted(followers, key=repr))
        elif followers or rng.random() < 0.7:
            got = rng.choice(ANSWERS)
        else:
            waiting[process] = (f, asked, call)
            continue
        kind = "info" if rng.random() < 0.15 else "ok"
        if kind == "info":  # the next of this client is another process
            clients[clients.index(process)] = process + 3
        events.append(Event(len(events), len(events), process, kind, f, "k", got, index_of_invoke=call))
    return events


def steps(model, state, one):
    try:
        return list(model.step(state, one))
    except (TypeError, ValueError):
        return []


def explained(model: Model, events: list[Event]) -> bool:
    """Whether some order explains all: every one is tried, as the record steps."""
    ends = {event.index_of_invoke: event for event in events if event.type == "ok"}
    calls = [event for event in events if event.type == "invoke"]
    seen, todo = set(), [(frozenset(), model.initial)]
    while todo:
        done, state = todo.pop()
        left = [call for call in calls if call.index not in done]
        bound = min((ends[call.index].index for call in left if call.index in ends), default=None)
        if bound is None:
            return True
        for call in left:
            end = ends.get(call.index)
            one = Operation(call.process, call.f, call.value, end and end.value, known=end is not None)
            for after in model.step(state, one) if call.index < bound else ():
                place = (done | {call.index}, after)
                if place not in seen:
                    seen.add(place)
                    todo.append(place)
    return False


@pytest.mark.parametrize("name", SHORT)
def test_engines_and_brute_force_agree(name):
    rng, model, counted = Random(11), SHORT[name], {True: 0, False: 0}
    for _ in range(HISTORIES):
        events = drawn(model, rng)
        if not any(event.type == "ok" for event in events):
            continue
        fits = explained(model, events)
        counted[fits] += 1
        judged = Linearizable(name).judge(History.of(events), LIMITS)
        result = judged.result
        assert result.verdict is (Verdict.VALID if fits else Verdict.INVALID), (result.reason, events)
        if fits:
            orders = [(one.key, one.order) for one in judged.witnesses]
            assert verify(events, name, orders) is None
        else:
            (anomaly,) = result.anomalies
            assert refute(events, name, anomaly.detail.certificate) is None
            kept = [event for event in events if event.index in anomaly.events]
            assert not explained(model, kept), "the counterexample is wrong by itself"
    assert min(counted.values()) > HISTORIES / 10, counted


@pytest.mark.parametrize("name", SHORT)
def test_a_model_is_three_files(name):
    """The Rust module, its line in the table, the Python record: whoever adds a model writes these only."""
    product = ("checkers", "workloads", "nemesis", "harness", "reports", "bench", "campaigns")
    naming = [
        str(path.relative_to(ROOT))
        for folder in product
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".rs", ".go", ".toml"} and not {"target", "_native"} & set(path.parts)
        for text in [path.read_text()]
        if name in text or f"{name.replace('-', '_')}::" in text
    ]
    module = name.replace("-", "_")
    assert sorted(naming) == [
        f"checkers/models/{module}.py",
        "checkers/native/linear/src/plain/mod.rs",
        f"checkers/native/linear/src/plain/{module}.rs",
    ]


def history(*steps: tuple[int, str, str]) -> list[Event]:
    return [Event(at, at, process, kind, f, "k") for at, (process, kind, f) in enumerate(steps)]


HELD = ((1, "invoke", "acquire-read"), (1, "ok", "acquire-read"))


def test_a_writer_beside_a_reader_is_named():
    events = history(*HELD, (2, "invoke", "acquire-write"), (2, "ok", "acquire-write"))
    result = check(events)
    assert (result.model, result.verdict) == ("rw-lock", Verdict.INVALID)
    assert result.anomalies[0].name == "reader beside a writer"
    assert result.anomalies[0].sentence == (
        "p2 took the write lock at 0.000 s, but p1 took the read lock at 0.000 s and had not released it"
    )


def test_readers_share_and_a_writer_waits():
    events = history(
        *HELD,
        (2, "invoke", "acquire-read"),
        (2, "ok", "acquire-read"),
        (3, "invoke", "acquire-write"),
        (1, "invoke", "release"),
        (1, "ok", "release"),
        (2, "invoke", "release"),
        (3, "ok", "acquire-write"),
    )
    assert check(events, "rw-lock").verdict is Verdict.VALID


def test_weaker_consistency_is_refused():
    with pytest.raises(ValueError, match="sequential is not decided for rw-lock"):
        check(history(*HELD), "rw-lock", expect="sequential")


def test_porcupine_does_not_know_it():
    with pytest.raises(ValueError, match="Porcupine has no model"):
        check(history(*HELD), "rw-lock", engine="porcupine")


def test_an_unknown_function_is_no_verdict():
    result = check(history((1, "invoke", "upgrade"), (1, "ok", "upgrade")), "rw-lock")
    assert result.verdict is Verdict.UNKNOWN
    assert "knows no function" in result.reason
