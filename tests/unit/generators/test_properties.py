"""What holds for all generators: same seed, same stream; errors that name the culprit; costs that do not grow."""

from __future__ import annotations

import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.harness.generators import (
    Context,
    Draws,
    Generator,
    GeneratorError,
    Invocation,
    Offer,
    Pending,
    any_of,
    by_key,
    each,
    flip_flop,
    imperfect,
    limit,
    mapped,
    mix,
    per_process,
    phases,
    repeat,
    reserve,
    simulate,
    stagger,
    time_limit,
    until_ok,
)
from quorate.harness.generators.draws import Draws as Dice
from quorate.harness.history.event import Type


def rich(seed: int) -> Generator:
    rng = Random(seed)
    writes = each(lambda n, draws: Invocation("write", None, (n, draws.below(100))), rng)
    keyed = by_key(
        lambda _key, r: mix((3, repeat(Invocation("read"))), (2, writes), rng=r),
        rng=rng, threads_per_key=2, operations_per_key=9,
    )  # fmt: skip
    return phases(
        time_limit(
            2, stagger(200, reserve((4, keyed), rest=per_process(until_ok(repeat(Invocation("x"))))), rng)
        ),
        limit(20, any_of(flip_flop(repeat(Invocation("y")), writes), writes)),
    )


def test_same_seed_same_stream_and_another_seed_another():
    def run(seed: int):
        return simulate(rich(seed), clients=6, perform=imperfect, seed=seed)

    assert len(run(1)) > 200
    assert run(1) == run(1)
    assert [e.value for e in run(1)] != [e.value for e in run(2)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.booleans(), max_size=300))
def test_the_stream_does_not_depend_on_how_often_or_when_it_is_asked(seed, extra_questions):
    """Ask a time-dependent generator at other moments and more often; operations come in the same order."""

    def operations(questions: list[bool]) -> list[Invocation]:
        rng = Random(seed)
        current: Generator = stagger(100, mix((2, repeat(Invocation("r"))), (1, each(
            lambda n, draws: Invocation("w", None, (n, draws.bits())), rng)), rng=rng), rng)  # fmt: skip
        ctx = Context(time_ns=0, free=1, everyone=1, processes=[0], clients=1)
        found: list[Invocation] = []
        ask = iter(questions)
        while len(found) < 40:
            if next(ask, False):
                current.next(ctx)  # asked, and thrown away
            step = current.next(ctx)
            assert step is not None
            decision, current = step
            if isinstance(decision, Offer):
                found.append(decision.invocation)
            else:
                assert isinstance(decision, Pending)
                ctx.time_ns += 1_000_000 if next(ask, False) else 7_000_000
        return found

    assert operations([]) == operations(extra_questions)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 40))
def test_no_thread_does_two_things_at_once_and_times_never_go_back(seed, clients):
    events = simulate(rich(seed), clients=clients, perform=imperfect, seed=seed, events_max=400)
    busy: set[int | str] = set()
    retired: set[int | str] = set()
    for earlier, event in zip([events[0], *events], events, strict=False):
        assert event.time >= earlier.time
        if event.type == Type.INVOKE:
            assert event.process not in busy | retired
            busy.add(event.process)
        else:
            busy.remove(event.process)
            retired |= {event.process} if event.type == Type.INFO else set()


def test_an_error_names_the_generator_its_state_and_the_moment():
    def faulty(n: int, _draws: Draws) -> Invocation:
        return Invocation("w", None, 1 // (3 - n))

    with pytest.raises(GeneratorError) as caught:
        simulate(time_limit(9, mapped(lambda op: op, limit(10, each(faulty)))), clients=2)
    text = str(caught.value)
    assert "Each(" in text
    assert "faulty" in text
    assert "n=3" in text
    assert "ZeroDivisionError" in text
    assert "threads free" in text


class _Bad(Generator, frozen=True, gc=False):
    count: int = 7

    def next(self, ctx):  # noqa: ARG002
        raise KeyError("a generator of someone else")


def test_an_error_in_a_foreign_generator_names_it_too():
    with pytest.raises(GeneratorError, match=r"_Bad\(count=7\).*KeyError"):
        simulate(_Bad())


def test_draws_are_even_and_streams_are_unrelated():
    seen = [0] * 10
    for n in range(5000):
        seen[Dice(42, n).below(10)] += 1
    assert min(seen) > 400
    assert max(seen) < 600
    assert sum(Dice(1, n).chance(0.25) for n in range(4000)) == pytest.approx(1000, abs=120)


@pytest.mark.parametrize("make", ["flat", "keyed", "per_process"])
def test_a_question_takes_about_as_many_calls_with_a_hundred_times_the_threads(make):
    """A guard against bookkeeping that grows with the number of threads; bench/runner.py measures the time."""

    def source() -> Generator:
        rng = Random(1)
        flat = mix(
            (1, repeat(Invocation("r"))), (1, each(lambda n, _draws: Invocation("w", None, n))), rng=rng
        )
        if make == "keyed":
            return by_key(lambda _k, _r: flat, rng=rng, threads_per_key=5, operations_per_key=100)
        return per_process(flat) if make == "per_process" else flat

    def calls(clients: int) -> int:
        """Count function calls of 500 questions with one free thread each, as a runner under load asks."""
        current = source()
        ctx = Context(
            time_ns=0, free=1, everyone=(1 << clients) - 1, processes=range(clients), clients=clients
        )
        counted = 0

        def count(_frame, event, _argument):
            nonlocal counted
            counted += event == "call"

        sys.setprofile(count)
        try:
            for n in range(500):
                ctx.free = 1 << (n * 7 % clients)
                step = current.next(ctx)
                assert step is not None
                current = step[1]
        finally:
            sys.setprofile(None)
        return counted

    # A thousand threads begin a hundred times as many keys or copies in 500 questions, each once: hence the 2.
    assert calls(1000) < 2 * calls(10)
