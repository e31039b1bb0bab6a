"""A package of plug-ins that misbehave, each in one way (tests/quality/test_bad_plugins.py)."""

import asyncio
import sys
import time

import msgspec

from quorate.harness.core.capabilities import Registers
from quorate.harness.core.fault import Fault, Proof, named
from quorate.harness.core.outcome import Reply
from quorate.harness.core.verdict import Result, Verdict
from quorate.harness.core.workload import Workload
from quorate.harness.generators import Invocation, each, limit, repeat
from quorate.workloads.part import workload


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    zz: int = 0


none = None


class Ok:
    name = "ok"

    def check(self, history, limits):
        return Result("ok", Verdict.VALID, operations=1)


def checked_by(judge):
    class Own:
        name = "own"

        def check(self, history, limits):
            return judge()

    return (Own(), Ok())


async def reads(client, invocation):
    return await client.read("x")


def base(perform=reads, must=None, final=None, operations=None):
    return Workload(
        name="bad",
        needs=(Registers,),
        operations=operations or repeat(Invocation("read")),
        perform=perform,
        final=final,
        must_hold=must or (Ok(),),
        model=None,
        functions=("read",),
    )


@workload("wraise", Settings)
def wraise(options, settings):
    raise ValueError("boom \x1b[31m")


@workload("wperform", Settings)
def wperform(options, settings):
    async def perform(client, invocation):
        raise ValueError("perform boom")

    return base(perform)


@workload("wgen", Settings)
def wgen(options, settings):
    def decide(number, draws):
        raise RuntimeError("generator boom")

    return base(operations=each(decide))


@workload("wcheck_raise", Settings)
def wcheck_raise(options, settings):
    return base(must=checked_by(lambda: 1 / 0))


@workload("wcheck_hang", Settings)
def wcheck_hang(options, settings):
    def judge():
        while True:
            time.sleep(0.1)

    return base(must=checked_by(judge))


@workload("wcheck_none", Settings)
def wcheck_none(options, settings):
    return base(must=checked_by(lambda: None))


@workload("wcheck_exit", Settings)
def wcheck_exit(options, settings):
    return base(must=checked_by(lambda: sys.exit(0)))


@workload("wfinalhang", Settings)
def wfinalhang(options, settings):
    async def perform(client, invocation):
        while invocation.f == "fin":
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass
        return await client.read("x")

    return base(perform, final=limit(1, repeat(Invocation("fin"))))


@workload("wbadvalue", Settings)
def wbadvalue(options, settings):
    async def perform(client, invocation):
        return Reply(object())

    return base(perform)


@workload("wsystemexit", Settings)
def wsystemexit(options, settings):
    async def perform(client, invocation):
        sys.exit(0)

    return base(perform)


class Quiet(Fault):
    """Does nothing and says that it did."""

    name = "f"
    targets = ("one",)

    async def plan(self, scene, target, rng):
        return named([scene.cluster.nodes[0].name], self.name, target)

    async def inject(self, scene, plan):
        pass

    async def prove(self, scene, plan):
        return Proof(True, "p")

    async def heal(self, scene, plan):
        pass

    async def prove_healed(self, scene, plan):
        return Proof(True, "h")


class FRaise(Quiet):
    name = "fraise"

    async def inject(self, scene, plan):
        raise ValueError("inject boom")


class FHang(Quiet):
    name = "fhang"

    async def inject(self, scene, plan):
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass


class FHealHang(Quiet):
    name = "fhealhang"

    async def heal(self, scene, plan):
        await asyncio.sleep(100000)


class FPlanExit(Quiet):
    name = "fplanexit"

    async def plan(self, scene, target, rng):
        raise SystemExit(0)


class FProofNone(Quiet):
    name = "fproofnone"

    async def prove(self, scene, plan):
        return None


class FCtor(Quiet):
    name = "fctor"

    def __init__(self, options):
        raise RuntimeError("ctor boom")


class FJson(Quiet):
    name = "fjson"

    async def prove(self, scene, plan):
        return Proof(True, "p", data={"x": object()})


class FDuck:
    """Has the methods of a fault, and is none."""

    name = "fduck"
    targets = ("one",)
    settings = {}
    plan, inject, prove, heal, prove_healed = (
        Quiet.plan,
        Quiet.inject,
        Quiet.prove,
        Quiet.heal,
        Quiet.prove_healed,
    )
