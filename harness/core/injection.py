"""What the nemesis writes into a history, and which healing ended which injection.

A nemesis' operation has a `NemesisRecord` as its value, in the invocation without proof, in the completion with it:
`{"action": "inject", "target": "leader", "plan": {…}, "healed_first": {fault: proof}, "proof": {…}}`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from quorate.harness.core.fault import Plan, Proof

if TYPE_CHECKING:
    from quorate.harness.history.event import Operation

T = TypeVar("T")
INJECT: Final = "inject"
HEAL: Final = "heal"


class NemesisRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One injection or healing: what was asked, the plan that was made of it, and the proof that it took effect.

    `healed_first` are faults that were healed so that this injection would not hold a majority with them, each with
    the proof of that; `early` marks the healing of a fault that was healed so before its time.
    """

    action: str
    target: str
    plan: Plan | None = None
    healed_first: Mapping[str, Proof] = {}
    proof: Proof | None = None
    early: bool = False

    def encoded(self) -> dict[str, Any]:
        """Return the record as plain JSON, for `Event.value`; what it does not have is left out."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def judged(self, proof: Proof) -> NemesisRecord:
        """Return the record with its proof."""
        return msgspec.structs.replace(self, proof=proof)


def decoded(value: Any) -> NemesisRecord | None:
    """Return the record that an event of the nemesis holds; None where it is neither injection nor healing.

    Histories come from other tools and from damaged files: a part that is not what it should be is left out.
    """
    if not isinstance(value, Mapping) or value.get("action") not in (INJECT, HEAL):
        return None
    healed = value.get("healed_first")
    proofs = {str(name): _proof(one) for name, one in healed.items()} if isinstance(healed, Mapping) else {}
    return NemesisRecord(
        action=value["action"],
        target=_text(value.get("target")),
        plan=_plan(value.get("plan")),
        healed_first={name: proof for name, proof in proofs.items() if proof is not None},
        proof=_proof(value.get("proof")),
        early=value.get("early") is True,
    )


def _plan(value: Any) -> Plan | None:
    if not isinstance(value, Mapping) or not value:
        return None
    nodes, detail = value.get("nodes"), value.get("detail")
    return Plan(
        fault=_text(value.get("fault")),
        target=_text(value.get("target")),
        nodes=tuple(map(str, nodes)) if isinstance(nodes, list | tuple) else (),
        detail=detail if isinstance(detail, Mapping) else {},
    )


def _proof(value: Any) -> Proof | None:
    if not isinstance(value, Mapping):
        return None
    data = value.get("data")
    return Proof(
        holds=value.get("holds") is True,
        text=_text(value.get("text")),
        data=data if isinstance(data, Mapping) else {},
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)


class Turn(msgspec.Struct, frozen=True):
    """One server's turn in a fault that goes from node to node; a proof has them as `steps`, from its beginning on.

    Its server was stopped, its process was up again, and it was healthy again, each in seconds.
    """

    node: str = ""
    stopped_s: float = 0.0
    up_s: float = 0.0
    healthy_s: float = 0.0

    def since(self, start_s: float) -> Turn:
        """Return the same with the times counted from `start_s` on its clock; negative, from so long before."""
        return Turn(
            self.node,
            round(self.stopped_s - start_s, 3),
            round(self.up_s - start_s, 3),
            round(self.healthy_s - start_s, 3),
        )


def turns(proof: Proof | None) -> list[Turn]:
    """Return the turns that a proof lists; what is not a turn is left out."""
    told = proof.data.get("steps") if proof is not None else None
    found = []
    for one in told if isinstance(told, Sequence) and not isinstance(told, str) else ():
        with contextlib.suppress(msgspec.ValidationError):
            found.append(msgspec.convert(one, Turn))
    return found


class Injection(msgspec.Struct, frozen=True):
    """One injection with the healing that ended it, in nanoseconds since the run's start.

    It began at `began_ns` and was proved at `injected_ns`; its healing likewise, None where there was none. `outcome`
    is that of the injection: `ok` proved, `info` not proved or cut short, `fail` not done.
    """

    fault: str
    target: str
    nodes: tuple[str, ...]
    detail: Mapping[str, Any]
    outcome: str
    began_ns: int
    injected_ns: int
    proof: Proof | None = None
    error: Sequence[str] | None = None
    heal_began_ns: int | None = None
    healed_ns: int | None = None
    healed_proof: Proof | None = None


class _Act(msgspec.Struct, frozen=True):
    operation: Operation
    record: NemesisRecord

    @property
    def fault(self) -> str:
        return self.operation.invoke.f

    @property
    def ended_ns(self) -> int:
        return (self.operation.completion or self.operation.invoke).time


def injections(operations: Iterable[Operation]) -> list[Injection]:
    """Return what the nemesis' operations of a history injected, each with its healing, in order."""
    acts = []
    for operation in operations:
        done = operation.completion
        record = decoded((done.value if done is not None else None) or operation.invoke.value)
        if record is not None:
            acts.append(_Act(operation, record))
    pairs = joined(
        acts,
        fault=lambda act: act.fault,
        begins=lambda act: act.record.action == INJECT,
        ends=lambda act: [act.fault] if act.record.action == HEAL else act.record.healed_first,
    )
    return [_injection(begun, ended) for begun, ended in pairs]


def _injection(begun: _Act, ended: _Act | None) -> Injection:
    record, operation = begun.record, begun.operation
    plan = record.plan or Plan(begun.fault, record.target, ())
    found = Injection(
        fault=begun.fault,
        target=plan.target or record.target,
        nodes=plan.nodes,
        detail=plan.detail,
        outcome=operation.outcome,
        began_ns=operation.invoke.time,
        injected_ns=begun.ended_ns,
        proof=record.proof,
        error=operation.completion.error if operation.completion else None,
    )
    if ended is None:
        return found
    return msgspec.structs.replace(
        found,
        heal_began_ns=ended.operation.invoke.time,
        healed_ns=ended.ended_ns,
        healed_proof=ended.record.healed_first.get(begun.fault, ended.record.proof),
    )


def joined(
    items: Iterable[T],
    *,
    fault: Callable[[T], str],
    begins: Callable[[T], bool],
    ends: Callable[[T], Iterable[str]],
) -> list[tuple[T, T | None]]:
    """Pair each item that begins a fault with the one that ends it, None where there is none; in order of beginning.

    `ends` names the faults that an item ends; one item may end some and begin another.
    """
    pairs: list[tuple[T, T | None]] = []
    active: dict[str, int] = {}
    for item in items:
        for name in ends(item):
            at = active.pop(name, None)
            if at is not None:
                pairs[at] = (pairs[at][0], item)
        if begins(item):
            active[fault(item)] = len(pairs)
            pairs.append((item, None))
    return pairs
