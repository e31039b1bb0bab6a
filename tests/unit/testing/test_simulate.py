"""`simulate`: whole runs in virtual time in one line, with workloads that are registered nowhere."""

from __future__ import annotations

import pytest

from quorate.checkers.linearizable import Linearizable
from quorate.harness.core.capabilities import Registers
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.registry import UnknownNameError
from quorate.harness.core.workload import Workload
from quorate.harness.generators import Invocation, each, mix, repeat
from quorate.testing import simulate
from quorate.workloads.part import workload
from quorate.workloads.register import Settings


def test_a_bug_is_found_and_the_message_repeats_it():
    done = simulate("register", seed=7, faults="partition", bug="stale-read")
    assert done.verdict == "invalid"
    assert done.anomalies[0].sentence
    assert done.told.endswith(
        "quorate test simulated -w register -f partition --time 10s --seed 7 --set bug=stale-read"
    )


def test_the_correct_system_is_valid_and_the_same_arguments_give_the_same_history():
    one = simulate("register", seed=3, faults=("partition", "kill"))
    two = simulate("register", seed=3, faults="partition,kill")
    other = simulate("register", seed=4, faults="partition,kill")
    assert one.verdict == "valid", one.told
    assert one.history.events() == two.history.events() != other.history.events()


@workload("writes-only", Settings)
def writes_only(options, settings):
    """Writes, and a read now and then."""
    writes = each(lambda n, _draws: Invocation("write", None, n + 1))
    one = mix((100, repeat(Invocation("read"))), (900, writes), rng=options.rng)

    async def perform(client, invocation):
        return await (client.read("k") if invocation.f == "read" else client.write("k", invocation.value))

    return Workload(
        name="writes-only",
        needs=(Registers,),
        operations=one,
        perform=perform,
        final=None,
        must_hold=(Linearizable("register"),),
        model="register",
        functions=("write",),
    )


def test_a_workload_of_ones_own_needs_no_registration():
    assert simulate(writes_only, seed=5, time="3s").verdict == "valid"
    done = simulate(writes_only, seed=5, time="3s", bug="phantom", rate=400)
    assert done.verdict == "invalid", done.told
    assert {event.f for event in done.history.events()} == {"read", "write"}
    with pytest.raises(UnknownNameError):
        simulate("writes-only")


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(UsageError, match="does nothing with lock"):
        simulate("lock", bug="stale-read")
