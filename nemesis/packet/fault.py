"""Make the network between servers bad rather than dead: most protocols are tested against silence, few against this.

Packets that come from other servers are lost by the packet filter, or held, doubled, damaged and let overtake by a
process to which the kernel hands them, at the receiver; clients are spared. Proved by probe packets: their delay and
their loss are measured, and the rest is counted where it is done.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Annotated, Any, Final

import msgspec

from quorate.harness.cluster import doctor
from quorate.harness.cluster.network import EnteredNetwork, ExecutedNetwork
from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.finding import Finding
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import Seconds, about
from quorate.nemesis.nodes import NodeFault
from quorate.nemesis.packet import behaviour as behaviours
from quorate.nemesis.packet import loss
from quorate.nemesis.packet.behaviour import Behaviour
from quorate.nemesis.packet.listener import Counts
from quorate.nemesis.packet.queueing import Queueing
from quorate.nemesis.targets import ANY, choose

MODES: Final[Mapping[str, str]] = {
    "slow": "packets are delayed, with jitter",
    "lossy": "packets are lost",
    "flaky": "a little of all: delay, loss, copies, overtaking, damage",
    "doubled": "packets come twice",
    "overtaking": "packets overtake others, which are delayed",
    "damaged": "packets have a flipped bit, which their checksum finds",
    "ramp": "the delay grows",
}
_NOT_ENTERED: Final = (
    "all packet modes but lossy need nodes whose network this process can enter (local, or containers as root); "
    "elsewhere use packet.mode=lossy"
)
_PROBES: Final = 40
_LOSS_PROBES: Final = 150
_GAP_S: Final = 0.002
_PATIENCE_S: Final = 0.1
_SIGMAS: Final = 5.0
# A probe's time is taken once all of a round were sent, so a busy machine measures a little less than was waited.
_EARLY_MS, _EARLY_SHARE = 1.0, 0.03
_HEALED_MS: Final = 5.0
_SINGLE: Final = ("doubled", "overtaking", "damaged", "ramp")
_CERTAIN: Final = 10.0  # where so many are expected, none by chance is out of the question
_RAMP_PROBES, _RAMP_LOOKS, _RAMP_SHARE = 12, 10, 0.2


class PacketSettings(msgspec.Struct, frozen=True):
    """Settings of bad networks."""

    mode: Annotated[str, about("how the network is bad", choices={**MODES, ANY: "drawn"})] = ANY
    delay: (
        Annotated[Seconds, about("delay of all modes that have one, such as 50ms", ge=0, unset="drawn")]
        | None
    ) = None
    loss: (
        Annotated[
            float,
            about("share of packets that lossy and flaky lose, such as 0.2", ge=0.001, le=1, unset="drawn"),
        ]
        | None
    ) = None
    share: (
        Annotated[
            float,
            about(
                "share of packets that doubled, overtaking and damaged touch", ge=0.05, le=0.9, unset="drawn"
            ),
        ]
        | None
    ) = None
    grows: (
        Annotated[
            Seconds, about("how long the delay of ramp grows", ge=0.5, le=60, unset="drawn from 2s to 6s")
        ]
        | None
    ) = None


class Packet(NodeFault):
    """Make packets between servers slow, lossy or flaky; clients are spared."""

    name = "packet"
    on_theirs = "inside"
    settings_type = PacketSettings

    def __init__(self, options: PacketSettings) -> None:
        super().__init__(options)
        self._mode = options.mode
        self._delay_s = options.delay
        self._loss = options.loss
        self._share = options.share
        self._grows_s = options.grows
        self._queueing = Queueing()
        self._counts: Counts | None = None

    @classmethod
    def obstacle(cls, target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None."""
        least = 2
        if count < least:
            return f"packets between servers need at least {least} nodes, the cluster has {count}"
        return super().obstacle(target, count)

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what it asks of this machine."""
        return (doctor.losses,) if self._mode == "lossy" else (doctor.losses, doctor.packet_queue)

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` where this cluster's network cannot be made bad in this way."""
        if not isinstance(scene.cluster.network, EnteredNetwork | ExecutedNetwork):
            raise UsageError("packet faults need a real network: this one has no packet filter")
        if self._mode not in _possible(scene) and self._mode != ANY:
            raise UsageError(f"packet.mode={self._mode}: {_NOT_ENTERED}")

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide how bad the network becomes, and for whom."""
        mode = self._mode if self._mode != ANY else rng.choice(_possible(scene))
        behaviour = self._decide(mode, rng)
        resolved, names = await choose(scene, target, rng)
        detail = {"mode": mode, "behaviour": msgspec.to_builtins(behaviour), "seed": rng.getrandbits(32)}
        return Plan(self.name, resolved, tuple(sorted(names)), detail)

    def _decide(self, mode: str, rng: Random) -> Behaviour:
        if mode in _SINGLE:
            return self._decide_single(mode, rng)
        delay = math.exp(rng.uniform(math.log(5), math.log(200))) if mode == "slow" else rng.uniform(2, 30)
        delay = round(delay if self._delay_s is None else self._delay_s * 1e3, 3)
        jitter = round(delay * rng.uniform(0, 0.5), 3)
        share = rng.uniform(0.05, 0.4) if mode == "lossy" else rng.uniform(0.01, 0.1)
        share = round(share if self._loss is None else self._loss, 4)
        if mode == "slow":
            return Behaviour(delay_ms=delay, jitter_ms=jitter)
        if mode == "lossy":
            return Behaviour(loss=share)
        return Behaviour(
            delay_ms=delay,
            jitter_ms=jitter,
            loss=share,
            duplicate=round(rng.uniform(0.05, 0.2), 4),
            reorder=round(rng.uniform(0.1, 0.3), 4),
            corrupt=round(rng.uniform(0.005, 0.05), 4),
        )

    def _decide_single(self, mode: str, rng: Random) -> Behaviour:
        """Decide on one trouble alone, so large that probes show it."""
        share = round(rng.uniform(0.1, 0.4) if self._share is None else self._share, 4)
        delay = round(rng.uniform(5, 50) if self._delay_s is None else self._delay_s * 1e3, 3)
        longest = round(rng.uniform(100, 500) if self._delay_s is None else self._delay_s * 1e3, 3)
        grows_s = round(rng.uniform(2, 6) if self._grows_s is None else self._grows_s, 3)
        match mode:
            case "doubled":
                return Behaviour(duplicate=share)
            case "overtaking":
                return Behaviour(delay_ms=delay, reorder=share)
            case "damaged":
                return Behaviour(corrupt=share)
            case _:
                return Behaviour(delay_ms=longest, ramp_s=grows_s)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Lose packets by rule where that is all; else hand them to the listener."""
        behaviour = behaviours.of(plan.detail["behaviour"])
        peers = _peers(scene, plan)
        network = scene.cluster.network
        if isinstance(network, EnteredNetwork):
            network.expect(behaviour.longest_s, lossy=behaviour.loss > 0)
        if plan.detail["mode"] == "lossy":
            await loss.lose(_filtering(scene), peers, behaviour.loss)
            return
        await self._queueing.start(_entered(scene), peers, behaviour, int(plan.detail["seed"]))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Measure probes towards the targets: each delayed as planned, and as many lost as planned."""
        behaviour = behaviours.of(plan.detail["behaviour"])
        network = scene.cluster.network
        if not isinstance(network, EnteredNetwork):
            return await loss.prove(_filtering(scene), _pairs(scene, plan), behaviour.loss)
        if plan.detail["mode"] != "lossy" and not self._queueing.is_running:
            return Proof(holds=False, text="the packet listener is dead")
        pairs = _pairs(scene, plan)
        if behaviour.ramp_s:
            return await self._prove_ramp(network, pairs, behaviour)
        by_chance = behaviour.loss or behaviour.duplicate or behaviour.reorder or behaviour.corrupt
        count = math.ceil((_LOSS_PROBES if by_chance else _PROBES) / len(pairs))
        flights = await network.measure(
            pairs, count=count, gap_s=_GAP_S, patience_s=_PATIENCE_S + behaviour.longest_s
        )
        sent = sum(flight.sent for flight in flights.values())
        lost = sum(flight.lost for flight in flights.values())
        delays = [delay * 1e3 for flight in flights.values() for delay in flight.delays_s]
        copies = sum(flight.copies for flight in flights.values())
        wrong = [*_wrong(behaviour, sent, lost, delays), *_unseen(behaviour, sent, copies, delays)]
        data: dict[str, Any] = {"probes": sent, "lost": lost}
        if delays:
            data |= {
                "delay_ms_min": round(min(delays), 2),
                "delay_ms_median": round(statistics.median(delays), 2),
            }
        text = f"{behaviour.in_words()}; of {sent} probes {lost} were lost"
        if delays:
            text += f", the others took {min(delays):.1f} to {max(delays):.1f} ms"
        return Proof(holds=not wrong, text="; ".join([text, *wrong]), data=data)

    @staticmethod
    async def _prove_ramp(
        network: EnteredNetwork, pairs: Sequence[tuple[str, str]], behaviour: Behaviour
    ) -> Proof:
        """See that packets take longer than a moment ago, until they do or the delay is grown."""
        count = math.ceil(_RAMP_PROBES / len(pairs))
        patience_s = _PATIENCE_S + behaviour.longest_s
        first_ms = await _median_ms(network, pairs, count, patience_s)
        last_ms = first_ms
        for _ in range(_RAMP_LOOKS):
            await asyncio.sleep(behaviour.ramp_s / _RAMP_LOOKS)
            last_ms = await _median_ms(network, pairs, count, patience_s)
            if last_ms - first_ms >= _RAMP_SHARE * behaviour.delay_ms:
                break
        text = (
            f"{behaviour.in_words()}; probes took {first_ms:.1f} ms at first, {last_ms:.1f} ms a moment later"
        )
        holds = last_ms - first_ms >= _RAMP_SHARE * behaviour.delay_ms
        return Proof(holds=holds, text=text, data={"delay_ms_first": first_ms, "delay_ms_last": last_ms})

    async def renew(self, scene: Scene, plan: Plan) -> None:
        """Hand packets to a listener anew where a container came back with a network that knows of none."""
        network = scene.cluster.network
        if plan.detail["mode"] == "lossy" or not isinstance(network, EnteredNetwork):
            return
        living = [name for name in plan.nodes if network.stands(name)]
        if all([await network.holds(name) for name in living]):
            return
        self._counts = await self._queueing.stop(network, living) or self._counts
        peers = {name: addresses for name, addresses in _peers(scene, plan).items() if name in living}
        behaviour = behaviours.of(plan.detail["behaviour"])
        await self._queueing.start(network, peers, behaviour, int(plan.detail["seed"]))

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Take the rules out and end the listener."""
        network = scene.cluster.network
        if isinstance(network, EnteredNetwork):
            network.expect(0.0, lossy=False)
        if plan.detail["mode"] == "lossy":
            await loss.stop(_filtering(scene), plan.nodes)
            return
        counts = await self._queueing.stop(_entered(scene), plan.nodes)
        self._counts = counts or self._counts

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """Probe again: nothing lost, nothing delayed. Reports what was done to how many packets."""
        data: dict[str, Any] = {}
        if self._counts is not None:
            data = {"counts": {name: getattr(self._counts, name) for name in self._counts.__struct_fields__}}
        network = scene.cluster.network
        pairs = _pairs(scene, plan)
        if not isinstance(network, EnteredNetwork):
            arrived = await network.probe(pairs)
            return Proof(
                holds=all(arrived.values()), text=f"{sum(arrived.values())} of {len(pairs)} probes arrived"
            )
        flights = await network.measure(
            pairs, count=math.ceil(_PROBES / len(pairs)), gap_s=_GAP_S, patience_s=_PATIENCE_S
        )
        lost = sum(flight.lost for flight in flights.values())
        fastest = min(
            (delay * 1e3 for flight in flights.values() for delay in flight.delays_s), default=math.inf
        )
        hooked = []
        if plan.detail["mode"] != "lossy":
            hooked = [name for name in plan.nodes if await network.holds(name)]
        text = f"{lost} probes were lost, the fastest took {fastest:.1f} ms"
        if self._counts is not None:
            text += f"; {msgspec.json.encode(self._counts).decode()}"
        return Proof(holds=not lost and not hooked and fastest < _HEALED_MS, text=text, data=data)


def _possible(scene: Scene) -> list[str]:
    """Return the modes that this cluster's nodes allow."""
    return list(MODES) if isinstance(scene.cluster.network, EnteredNetwork) else ["lossy"]


def _wrong(behaviour: Behaviour, sent: int, lost: int, delays: Sequence[float]) -> list[str]:
    """Return how the measured differs from the planned; damaged probes are lost too, to their checksums."""
    wrong = []
    share = behaviour.loss + (1 - behaviour.loss) * behaviour.corrupt
    spread = _SIGMAS * math.sqrt(max(share * (1 - share), 0.25 / sent) / sent)
    if not share - spread <= lost / sent <= share + spread:
        wrong.append(f"not as planned: {lost / sent:.1%} lost, not {share:.1%}")
    if behaviour.delay_ms and not delays:
        wrong.append("no probe arrived: its delay is unknown")
    elif behaviour.delay_ms:
        early_ms = max(_EARLY_MS, _EARLY_SHARE * behaviour.delay_ms)
        least = behaviour.delay_ms - behaviour.jitter_ms - early_ms
        held = sum(delay >= least for delay in delays) / len(delays)
        if held < 1 - behaviour.reorder - _SIGMAS * math.sqrt(behaviour.reorder / len(delays)):
            wrong.append(f"not as planned: only {held:.0%} were delayed")
    return wrong


def _unseen(behaviour: Behaviour, sent: int, copies: int, delays: Sequence[float]) -> list[str]:
    """Return what was planned and not seen once, though it was bound to be."""
    wrong = []
    if behaviour.duplicate * sent * (1 - behaviour.loss) >= _CERTAIN and not copies:
        wrong.append("not as planned: no probe came twice")
    early = sum(delay < behaviour.delay_ms / 2 for delay in delays)
    if behaviour.reorder * len(delays) >= _CERTAIN and not early:
        wrong.append("not as planned: no probe overtook others")
    return wrong


async def _median_ms(
    network: EnteredNetwork, pairs: Sequence[tuple[str, str]], count: int, patience_s: float
) -> float:
    """Return how long probes take now, in ms; 0 where none arrives."""
    flights = await network.measure(pairs, count=count, gap_s=_GAP_S, patience_s=patience_s)
    delays = [delay * 1e3 for flight in flights.values() for delay in flight.delays_s]
    return round(statistics.median(delays), 2) if delays else 0.0


def _peers(scene: Scene, plan: Plan) -> dict[str, list[str]]:
    """Return for each target the addresses of all other nodes."""
    return {name: [node.address for node in scene.cluster.nodes if node.name != name] for name in plan.nodes}


def _pairs(scene: Scene, plan: Plan) -> list[tuple[str, str]]:
    return [(node.name, name) for name in plan.nodes for node in scene.cluster.nodes if node.name != name]


def _entered(scene: Scene) -> EnteredNetwork:
    network = scene.cluster.network
    if not isinstance(network, EnteredNetwork):
        raise Broken("impossible-mode", _NOT_ENTERED)
    return network


def _filtering(scene: Scene) -> EnteredNetwork | ExecutedNetwork:
    network = scene.cluster.network
    if not isinstance(network, EnteredNetwork | ExecutedNetwork):
        raise Broken(
            "impossible-mode", "this cluster's network has no packet filter: packets cannot be lost by rule"
        )
    return network
