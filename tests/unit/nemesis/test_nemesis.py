"""The nemesis of a run, on the simulated cluster in virtual time: injected, proved, healed, remembered."""

# ruff: noqa: ARG002, ARG005 - stand-ins have the arguments of what they stand for

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from quorate.harness.core.clock import clock_of, run_virtual
from quorate.harness.core.fault import Fault, Plan, Proof, Scene
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import UsageError
from quorate.harness.generators import Invocation
from quorate.harness.history import Event, History
from quorate.harness.systems.simulated import Simulated, SimulatedCluster
from quorate.nemesis import Nemesis, parse, schedule
from quorate.nemesis.specs import accepted
from quorate.nemesis.targets import leader_of


def nemesis_of(faults: str, seed: int = 1, **settings: str) -> Nemesis:
    return Nemesis.from_mix(parse(faults), interval_s=5, time_s=60, rng=Random(seed), settings=settings)


def on_a_cluster(body: Callable[[Scene], Awaitable[None]], count: int = 5, seed: int = 3) -> None:
    async def main() -> None:
        names = [f"n{number}" for number in range(1, count + 1)]
        cluster = SimulatedCluster("test", names, Random(seed), clock_of(asyncio.get_running_loop()))
        system = Simulated(SystemOptions())
        await cluster.up()
        await system.install(cluster)
        for node in cluster.nodes:
            await system.start(cluster, node)
        await system.wait_ready(cluster, 30)
        await body(Scene(cluster, system))
        await cluster.down()

    run_virtual(main())


def call(fault: str, action: str, target: str, plan: Plan | None = None) -> Invocation:
    value: dict[str, Any] = {"action": action, "target": target}
    if plan is not None:
        value["plan"] = msgspec.to_builtins(plan)
    return Invocation(fault, value=value)


@pytest.mark.parametrize(
    "target", ["leader", "one", "minority", "majority", "followers", "all", "n2+n4", "any"]
)
@pytest.mark.parametrize(("fault", "state"), [("kill", ProcessState.DEAD), ("pause", ProcessState.STOPPED)])
def test_processes_are_hit_as_planned_and_come_back(fault: str, state: ProcessState, target: str):
    sizes = {"leader": 1, "one": 1, "minority": 2, "majority": 3, "followers": 4, "all": 5, "n2+n4": 2}

    async def body(scene: Scene) -> None:
        nemesis = nemesis_of(f"{fault}:{target}")
        nemesis.attach(scene)
        leader = await leader_of(scene)
        outcome = await nemesis.act(call(fault, "inject", target))
        assert outcome.type == "ok", outcome
        plan = outcome.value["plan"]
        hit = {node.name for node in scene.cluster.nodes if await node.state("simulated") is state}
        assert hit == set(plan["nodes"])
        assert len(hit) == sizes.get(plan["target"])
        assert (leader in hit) == (plan["target"] == "leader") or plan["target"] not in (
            "leader",
            "followers",
        )
        assert nemesis.held_down() == (hit if fault == "kill" else set())
        assert nemesis.in_force()
        outcome = await nemesis.act(call(fault, "heal", target))
        assert outcome.type == "ok", outcome
        assert not nemesis.in_force()
        assert not nemesis.held_down()
        for node in scene.cluster.nodes:
            assert await node.state("simulated") is ProcessState.RUNNING

    on_a_cluster(body)


@pytest.mark.parametrize("target", accepted("partition"))
def test_every_partition_is_proved_and_healed(target: str):
    async def body(scene: Scene) -> None:
        nemesis = nemesis_of(f"partition:{target}")
        nemesis.attach(scene)
        leader = await leader_of(scene)
        outcome = await nemesis.act(call("partition", "inject", target))
        assert outcome.type == "ok", outcome
        plan = outcome.value["plan"]
        cuts = {tuple(pair) for pair in plan["detail"]["cut"]}
        assert scene.cluster.network.cuts == cuts  # type: ignore[attr-defined]
        if plan["target"].startswith("leader"):
            assert leader in plan["nodes"]
        assert (await nemesis.act(call("partition", "heal", target))).type == "ok"
        assert not scene.cluster.network.cuts  # type: ignore[attr-defined]

    on_a_cluster(body)


def test_named_nodes_are_cut_from_the_others():
    async def body(scene: Scene) -> None:
        nemesis = nemesis_of("partition:n1+n3")
        nemesis.attach(scene)
        outcome = await nemesis.act(call("partition", "inject", "n1+n3"))
        cuts = {tuple(pair) for pair in outcome.value["plan"]["detail"]["cut"]}
        sides = ({"n1", "n3"}, {"n2", "n4", "n5"})
        assert cuts == {(a, b) for s, r in (sides, sides[::-1]) for a in s for b in r}

    on_a_cluster(body)


def test_a_cut_that_leaks_is_not_proved():
    async def body(scene: Scene) -> None:
        nemesis = nemesis_of("partition:one")
        nemesis.attach(scene)
        network = scene.cluster.network

        async def leaky(pairs: frozenset[tuple[str, str]]) -> None:
            network.cuts = frozenset(sorted(pairs)[1:])  # type: ignore[attr-defined]

        network.cut = leaky  # type: ignore[method-assign]
        outcome = await nemesis.act(call("partition", "inject", "one"))
        assert outcome.type == "info"
        assert not outcome.value["proof"]["holds"]
        assert "still alive" in outcome.value["proof"]["text"]

    on_a_cluster(body)


def test_no_leader_is_told_and_nothing_is_in_force():
    async def body(scene: Scene) -> None:
        for node in scene.cluster.nodes:
            await node.signal("simulated", 9)
        nemesis = nemesis_of("pause:leader")
        nemesis.attach(scene)
        outcome = await nemesis.act(call("pause", "inject", "leader"))
        assert (outcome.type, (outcome.error or [""])[0]) == ("fail", "no-leader")
        assert not nemesis.in_force()
        assert nemesis.counts["inject fail"] == 1

    on_a_cluster(body)


def test_an_impossible_target_is_refused_at_once():
    async def body(scene: Scene) -> None:
        with pytest.raises(UsageError, match="needs at least 3 nodes"):
            nemesis_of("kill:minority").attach(scene)

    on_a_cluster(body, count=1)


def test_heal_all_heals_everything_and_can_be_called_twice():
    async def body(scene: Scene) -> None:
        nemesis = nemesis_of("partition:one,kill:n1,pause:n2", overlap="yes")
        nemesis.attach(scene)
        for spec in nemesis.specs:
            assert (await nemesis.act(call(spec.name, "inject", spec.target))).type == "ok"
        assert len(nemesis.in_force()) == 3
        proofs = await nemesis.heal_all(scene)
        assert len(proofs) == 3
        assert all(proof.holds for proof in proofs)
        assert await nemesis.heal_all(scene) == []
        await scene.system.wait_ready(scene.cluster, 30)

    on_a_cluster(body)


def test_a_server_that_does_not_come_back_is_told_with_its_log_and_tried_again():
    async def body(scene: Scene) -> None:
        nemesis = nemesis_of("kill:n1")
        nemesis.attach(scene)
        await nemesis.act(call("kill", "inject", "n1"))
        start, calls = scene.system.start, []

        async def failing(cluster: Any, node: Any) -> None:
            calls.append(node.name)
            raise Broken("cannot-start", "the last words of its log")

        scene.system.start = failing  # type: ignore[method-assign]
        outcome = await nemesis.act(call("kill", "heal", "n1"))
        assert outcome.type == "info"
        assert "the last words of its log" in outcome.value["proof"]["text"]
        assert nemesis.held_down() == {"n1"}
        scene.system.start = start  # type: ignore[method-assign]
        assert (await nemesis.heal_all(scene))[0].holds

    on_a_cluster(body)


class Clumsy(Fault):
    """A fault that fails at a chosen step."""

    name = "kill"
    targets = ("one",)
    fails_at = "inject"

    def __init__(self) -> None:
        self.healed = 0

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        return Plan("kill", target, ("n1",))

    async def inject(self, scene: Scene, plan: Plan) -> None:
        self._step("inject")

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        self._step("prove")
        return Proof(holds=True, text="")

    async def heal(self, scene: Scene, plan: Plan) -> None:
        self.healed += 1
        self._step("heal")

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        return Proof(holds=True, text="")

    def _step(self, name: str) -> None:
        if name == self.fails_at:
            msg = "clumsy"
            raise ZeroDivisionError(msg)


@pytest.mark.parametrize("step", ["inject", "prove"])
def test_a_fault_that_throws_is_counted_and_its_remains_are_healed(
    monkeypatch: pytest.MonkeyPatch, step: str
):
    monkeypatch.setattr(schedule, "make", lambda name, settings: Clumsy())
    monkeypatch.setattr(Clumsy, "fails_at", step)

    async def body(scene: Scene) -> None:
        nemesis = nemesis_of("kill:one")
        nemesis.attach(scene)
        outcome = await nemesis.act(call("kill", "inject", "one"))
        assert outcome.type == "fail"
        assert outcome.error == ["fault-crashed", "ZeroDivisionError: clumsy"]
        assert nemesis.counts["inject fail"] == 1
        assert not nemesis.in_force()

    on_a_cluster(body)


def test_a_healing_that_throws_ends_the_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(schedule, "make", lambda name, settings: Clumsy())
    monkeypatch.setattr(Clumsy, "fails_at", "heal")

    async def body(scene: Scene) -> None:
        nemesis = nemesis_of("kill:one")
        nemesis.attach(scene)
        await nemesis.act(call("kill", "inject", "one"))
        with pytest.raises(Broken, match="clumsy"):
            await nemesis.act(call("kill", "heal", "one"))
        with pytest.raises(Broken, match="not-healed"):
            await nemesis.heal_all(scene)

    on_a_cluster(body)


def recorded(nemesis: Nemesis, outcomes: list[Any]) -> History:
    events = []
    for entry, outcome in zip(nemesis.entries, outcomes, strict=True):
        begun = Event(
            len(events), entry.at_ns, "nemesis", "invoke", entry.fault, None, entry.invocation().value
        )
        events.append(begun)
        events.append(
            Event(
                len(events),
                entry.at_ns + 1000,
                "nemesis",
                outcome.type,
                entry.fault,
                None,
                outcome.value,
                error=outcome.error,
                index_of_invoke=begun.index,
            )
        )
    return History.of(events)


def test_a_replay_asks_for_the_same_faults_at_the_same_times_with_the_same_plans():
    async def body(scene: Scene) -> None:
        first = nemesis_of("partition,kill,pause", seed=5)
        first.attach(scene)
        outcomes = [await first.act(entry.invocation()) for entry in first.entries]
        again = Nemesis.from_history(recorded(first, outcomes), rng=Random(99))
        again.attach(scene)
        assert [(e.at_ns, e.fault, e.action) for e in again.entries] == [
            (e.at_ns, e.fault, e.action) for e in first.entries
        ]
        for entry, outcome in zip(again.entries, outcomes, strict=True):
            repeated = await again.act(entry.invocation())
            assert repeated.type == outcome.type == "ok"
            assert repeated.value["plan"] == outcome.value["plan"]

    on_a_cluster(body)


def test_a_schedule_file_with_an_exact_plan(tmp_path: Path):
    path = tmp_path / "schedule.toml"
    path.write_text(
        '[[fault]]\nat = "1s"\nfor = "1s"\nfault = "partition"\nnodes = ["n1"]\ndetail = {cut = [["n1", "n2"]]}\n'
    )

    async def body(scene: Scene) -> None:
        nemesis = Nemesis.from_schedule(path, rng=Random(1))
        nemesis.attach(scene)
        assert (await nemesis.act(nemesis.entries[0].invocation())).type == "ok"
        assert scene.cluster.network.cuts == {("n1", "n2")}  # type: ignore[attr-defined]

    on_a_cluster(body)


def test_the_same_seed_makes_the_same_plans():
    plans: list[list[Any]] = []

    async def body(scene: Scene) -> None:
        nemesis = nemesis_of("partition,kill,pause", seed=8)
        nemesis.attach(scene)
        plans.append([(await nemesis.act(entry.invocation())).value["plan"] for entry in nemesis.entries])

    on_a_cluster(body)
    on_a_cluster(body)
    assert plans[0] == plans[1]
