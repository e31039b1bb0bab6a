"""The nemesis' record: written and read back, damaged ones, and which healing ended which injection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quorate.harness.core.fault import Plan, Proof
from quorate.harness.core.injection import HEAL, INJECT, NemesisRecord, decoded, injections
from quorate.harness.history import Event
from quorate.harness.history.event import Operation

TEXT = st.text(max_size=8)
DATA = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-9, 9) | TEXT, max_size=3)
PROOFS = st.builds(Proof, st.booleans(), TEXT, DATA)
PLANS = st.builds(Plan, TEXT, TEXT, st.lists(TEXT, max_size=3).map(tuple), DATA)
RECORDS = st.builds(
    NemesisRecord,
    st.sampled_from([INJECT, HEAL]),
    TEXT,
    st.none() | PLANS,
    st.dictionaries(TEXT, PROOFS, max_size=2),
    st.none() | PROOFS,
    st.booleans(),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
# The first draws of a process are slow on a busy machine, as expected.
CALMLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PARTS = ("action", "target", "plan", "proof", "healed_first", "early")


@CALMLY
@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record: NemesisRecord) -> None:
    assert decoded(record.encoded()) == record


@CALMLY
@given(st.dictionaries(st.sampled_from(PARTS), JSON) | JSON, st.sampled_from([INJECT, HEAL]))
def test_a_damaged_record_loses_what_is_damaged_and_no_more(value: Any, action: str) -> None:
    decoded(value)
    whole = NemesisRecord(action, "one", Plan("kill", "one", ("n1",)), proof=Proof(True, "dead")).encoded()
    assert decoded({**whole, "healed_first": value}).proof == Proof(True, "dead")  # type: ignore[union-attr]
    assert decoded({**whole, "proof": value}).plan == Plan("kill", "one", ("n1",))  # type: ignore[union-attr]


def test_what_is_not_there_is_not_written() -> None:
    assert NemesisRecord(INJECT, "one").encoded() == {"action": "inject", "target": "one"}


@pytest.mark.parametrize("value", [None, 3, "inject", [], {}, {"action": "start"}])
def test_values_of_other_tools_are_no_records(value: Any) -> None:
    assert decoded(value) is None


def act(fault: str, begun: int, record: NemesisRecord, kind: str = "ok", *, ended: int | None) -> Operation:
    value = record.encoded()
    call = Event(
        0, begun, "nemesis", "invoke", fault, value={"action": record.action, "target": record.target}
    )
    return Operation(call, None if ended is None else Event(1, ended, "nemesis", kind, fault, value=value))


def injected(fault: str, begun: int, **more: Any) -> Operation:
    plan = Plan(fault, "one", ("n1",))
    return act(fault, begun, NemesisRecord(INJECT, "any", plan, **more), ended=begun + 1)


def healed(fault: str, begun: int, *, early: bool = False) -> Operation:
    record = NemesisRecord(HEAL, "any", proof=None if early else Proof(True, f"{fault} gone"), early=early)
    return act(fault, begun, record, ended=begun + 1)


def test_an_injection_ends_with_its_own_healing() -> None:
    first, second, third = injections(
        [
            injected("kill", 1),
            injected("pause", 3),
            healed("kill", 5),
            injected("kill", 7),
            healed("pause", 9),
        ]
    )
    assert (first.fault, first.target, first.nodes) == ("kill", "one", ("n1",))
    assert (first.began_ns, first.injected_ns, first.heal_began_ns, first.healed_ns) == (1, 2, 5, 6)
    assert first.healed_proof == Proof(True, "kill gone")
    assert (second.fault, second.heal_began_ns, second.healed_ns) == ("pause", 9, 10)
    assert (third.heal_began_ns, third.healed_ns, third.healed_proof) == (None, None, None)


def test_an_injection_that_made_room_ends_the_faults_that_it_healed_first() -> None:
    made_room = injected("pause", 3, healed_first={"kill": Proof(True, "back")})
    kill, pause = injections(
        [injected("kill", 1), made_room, healed("kill", 5, early=True), healed("pause", 7)]
    )
    assert (kill.heal_began_ns, kill.healed_ns, kill.healed_proof) == (3, 4, Proof(True, "back"))
    assert (pause.heal_began_ns, pause.healed_proof) == (7, Proof(True, "pause gone"))


def test_what_never_ended_is_known_by_what_was_asked() -> None:
    (only,) = injections([act("kill", 4, NemesisRecord(INJECT, "leader"), ended=None)])
    assert (only.target, only.nodes, only.outcome, only.injected_ns) == ("leader", (), "info", 4)
