"""Failpoints, members, power cuts and damage: what is refused before a run, and what is decided from the seed."""

# ruff: noqa: ARG002 - stand-ins have the arguments of what they stand for

from __future__ import annotations

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from quorate import Test, run
from quorate.harness.core.failpoints import Failpoints, Point
from quorate.harness.core.fault import Plan, Proof, Scene, make
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import UsageError
from quorate.harness.systems.bolt import values_of
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.etcd.operations.damage import _in_record
from quorate.harness.systems.simulated import Simulated
from quorate.nemesis import Nemesis, parse
from quorate.nemesis.kill import Kill
from quorate.nemesis.member import Member

POINTS = (
    Point("beforeCommit"),
    Point("raftBeforeLeaderSend", role="leader"),
    Point("defragOpenFileError", "defragment", actions=("return",)),
    Point("raftBeforeSaveSnap", "snapshot", needs="a member must lag"),
)


class Offered:
    """Points that are not armed."""

    lag = 10

    def __init__(self, why: str | None = None) -> None:
        self.why = why

    def missing(self) -> str | None:
        return self.why

    async def points(self, node: Any) -> tuple[Point, ...]:
        return POINTS

    async def arm(self, node: Any, point: str, action: str) -> None: ...
    async def disarm(self, node: Any, point: str) -> None: ...
    async def armed(self, node: Any) -> dict[str, str]:
        return {}

    async def hits(self, node: Any, point: str) -> int:
        return 0

    async def pull(self, cluster: Any, node: Any, trigger: str, round_: int) -> None: ...
    def at_start(self, node: Any, armed: str) -> None: ...


OF_SERVERS = ("failpoint", "member", "powerloss", "corrupt")


def scene_of(**system: Any) -> Scene:
    nodes = [SimpleNamespace(name=f"n{number}") for number in (1, 2, 3)]

    async def status(cluster: Any) -> list[Any]:
        return [SimpleNamespace(node=node.name, healthy=True, role="leader", term=1) for node in nodes[1:2]]

    parts: Any = SimpleNamespace(name="fake", status=status, **{"membership": None, **system})
    cluster: Any = SimpleNamespace(nodes=nodes)
    return SimpleNamespace(cluster=cluster, system=parts)  # type: ignore[return-value]


def planned(seed: int, **settings: str) -> Plan:
    fault = make("failpoint", {name.replace("_", "."): value for name, value in settings.items()})
    return asyncio.run(fault.plan(scene_of(failpoints=Offered()), "any", Random(seed)))


def test_the_seed_decides_and_what_is_out_of_reach_is_never_drawn():
    assert {name for name in vars(Failpoints) if not name.startswith("_")} <= set(dir(Offered()))
    plans = [planned(seed) for seed in range(60)]
    assert plans == [planned(seed) for seed in range(60)]
    assert {plan.detail["point"] for plan in plans} == {point.name for point in POINTS if not point.needs}
    for plan in plans:
        assert plan.detail["point"] != "raftBeforeLeaderSend" or plan.nodes == ("n2",)  # who leads
        assert (plan.detail["action"] == "return") == (plan.detail["point"] == "defragOpenFileError")


def test_an_action_asked_for_keeps_out_points_that_cannot():
    plans = [planned(seed, failpoint_action="sleep(2s)") for seed in range(30)]
    assert {plan.detail["action"] for plan in plans} == {"sleep(2000)"}
    assert "defragOpenFileError" not in {plan.detail["point"] for plan in plans}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"failpoint_name": "beforeComit"}, 'did you mean "beforeCommit"'),
        ({"failpoint_name": "raftBeforeSaveSnap"}, "must lag"),
    ],
)
def test_a_point_that_cannot_be_is_told(settings: dict[str, str], words: str):
    with pytest.raises(Broken, match=words):
        planned(1, **settings)


@pytest.mark.parametrize(
    ("fault", "given"),
    [
        ("failpoint", {"failpoint.action": "explode"}),
        ("failpoint", {"failpoint.action": "sleep(1h)"}),
        ("failpoint", {"failpoint.within": "5m"}),
        ("member", {"member.way": "observer"}),
        ("powerloss", {"powerloss.window": "0s"}),
        ("powerloss", {"powerloss.window": "1h"}),
    ],
)
def test_settings_that_make_no_sense(fault: str, given: dict[str, str]):
    with pytest.raises(UsageError, match=next(iter(given))):
        make(fault, given)


@pytest.mark.parametrize("fault", OF_SERVERS)
def test_the_simulated_system_has_none_of_these(fault: str):
    with pytest.raises(UsageError, match="simulated"):
        make(fault, {}).suits(Simulated(SystemOptions()))


def test_it_is_told_before_a_run_begins(tmp_path):
    with pytest.raises(UsageError, match="simulated"):
        run(Test(system="simulated", faults=("member",), time=20.0, store=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("release", "words"),
    [("3.7.3", "etcd@3.7.3.failpoints"), ("3.6.5+failpoints,3.7.3", "without failpoints")],
)
def test_releases_without_failpoints_name_one_that_has(release: str, words: str):
    with pytest.raises(UsageError, match=words):
        make("failpoint", {}).suits(Etcd(SystemOptions(release=release)))


def test_etcd_offers_all_of_them():
    system = Etcd(SystemOptions(release="3.6.5+failpoints"))
    for fault in OF_SERVERS:
        make(fault, {}).suits(system)
    assert system.membership is not None
    with pytest.raises(UsageError, match="wal-bit"):
        make("corrupt", {"corrupt.kind": "wal-bot"}).suits(system)


@pytest.mark.parametrize(
    ("target", "count", "fits"), [("one", 2, False), ("one", 3, True), ("minority", 5, True)]
)
def test_members_go_only_where_a_majority_stays(target: str, count: int, *, fits: bool):
    assert (Member.obstacle(target, count) is None) == fits


def test_what_needs_a_majority_is_healed_last():
    healed: list[str] = []

    class Fake(Kill):
        def __init__(self, name: str) -> None:
            self.name = name  # type: ignore[misc]

        async def heal(self, scene: Any, plan: Plan) -> None:
            healed.append(self.name)

        async def prove_healed(self, scene: Any, plan: Plan) -> Proof:
            return Proof(holds=True, text="")

    nemesis = Nemesis.from_mix(parse("kill,pause,partition"), interval_s=5, time_s=60, rng=Random(1))
    for name in ("kill", "pause", "partition"):
        nemesis._faults[name] = Fake(name)  # type: ignore[assignment]
        nemesis._in_force[name] = Plan(name, "one", ("n1",))
    nemesis._faults["kill"].needs_majority = True  # type: ignore[attr-defined]
    asyncio.run(nemesis.heal_all(scene_of()))
    assert healed == ["pause", "partition", "kill"]


@pytest.mark.parametrize("content", [b"", b"\0" * 9000, b"no database at all" * 1000])
def test_what_is_no_database_is_told(content: bytes):
    with pytest.raises(Broken, match="meta page"):
        values_of(content, b"key")


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.99])
def test_a_bit_of_the_log_is_never_one_of_its_padding(at: float):
    log, covered = b"", set()
    for record in (b"x" * 13, b"y" * 8, b"z" * 3):
        padding = -len(record) % 8
        field = len(record) | ((0x80 | padding) << 56 if padding else 0)
        start = len(log) + 8
        covered |= set(range(start, start + len(record)))
        log += field.to_bytes(8, "little") + record + bytes(padding)
    assert _in_record(log + bytes(100), at) in covered


def test_bad_disks_of_servers_that_this_host_cannot_see_are_refused_before_the_load():
    unseen = SimpleNamespace(nodes=[SimpleNamespace(name="n1", netns=None)])
    with pytest.raises(UsageError, match="not over SSH"):
        make("disk", {}).check(Scene(unseen, None))
