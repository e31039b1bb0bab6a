"""Each combinator in virtual time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from quorate.harness.generators import (
    PENDING,
    Context,
    Generator,
    GeneratorError,
    Invocation,
    Pending,
    any_of,
    by_key,
    cycle,
    deferred,
    delay,
    each,
    filtered,
    flip_flop,
    generator,
    imperfect,
    limit,
    mapped,
    mix,
    on_clients,
    on_nemesis,
    on_threads,
    on_update,
    once,
    only,
    per_process,
    per_thread,
    phases,
    reactive,
    repeat,
    reserve,
    retrying,
    sequence,
    simulate,
    sleep,
    stagger,
    synchronize,
    time_limit,
    until_ok,
)
from quorate.harness.history.event import Event, Type

A, B, C = Invocation("a"), Invocation("b"), Invocation("c")
MS = 1_000_000


def invoked(events: list[Event]) -> list[Event]:
    return [event for event in events if event.type == Type.INVOKE]


def names(source, **options) -> str:
    return "".join(event.f for event in invoked(simulate(source, **options)))


def numbers(f: str = "w") -> Generator:
    return each(lambda n, _draws: Invocation(f, None, n))


def test_a_bare_invocation_is_done_once_and_a_list_in_turn():
    assert names(A) == "a"
    assert names([A, [B, C], []]) == "abc"
    assert names(sequence()) == ""


def test_what_is_no_generator_is_refused_with_its_value():
    with pytest.raises(GeneratorError, match="'read' is not a generator"):
        generator("read")


def test_limit_once_repeat():
    assert names(limit(4, repeat(A))) == "aaaa"
    assert names(limit(0, repeat(A))) == ""
    assert names(limit(5, [A, B])) == "ab"
    assert names(once([A, B])) == "a"
    assert names(repeat([A, B], 3)) == "aaa"


def test_cycle_begins_anew_and_ends_where_there_is_nothing():
    assert names(limit(5, cycle([A, B]))) == "ababa"
    assert names(cycle([A, B], 2)) == "abab"
    assert names(cycle([A, B], 0)) == ""
    assert names(cycle([])) == ""


def test_flip_flop_alternates_and_ends_with_either():
    assert names(flip_flop(repeat(A), [B, C])) == "abaca"


def test_each_counts_and_ends_with_none():
    three = each(lambda n, _draws: Invocation("w", None, n) if n < 3 else None)
    assert [event.value for event in invoked(simulate(three))] == [0, 1, 2]


def test_each_draws_the_same_for_the_same_n_however_often_it_is_asked():
    made = each(lambda n, draws: Invocation("w", None, (n, draws.bits())), Random(3))
    ctx = Context(time_ns=0, free=1, everyone=1, processes=[0], clients=1)
    first, again = made.next(ctx), made.next(ctx)
    assert first == again
    assert first is not None
    assert first[1].next(ctx)[0].invocation.value[1] != first[0].invocation.value[1]


def test_mix_keeps_its_weights():
    drawn = Counter(names(limit(4000, mix((5, repeat(A)), (3, repeat(B)), (0, repeat(C)), rng=Random(1)))))
    assert drawn["c"] == 0
    assert 0.58 < drawn["a"] / 4000 < 0.67


def test_mix_leaves_out_what_is_exhausted_and_stalls_behind_nobody():
    assert Counter(names(mix((1, limit(3, repeat(A))), (1, limit(5, repeat(B))), rng=Random(1)))) == {
        "a": 3,
        "b": 5,
    }
    events = simulate(mix((9, sequence(sleep(1), A)), (1, limit(9, repeat(B))), rng=Random(1)))
    assert [event.f for event in invoked(events)] == ["b"] * 9 + ["a"]
    assert invoked(events)[-1].time == 10**9


def test_mix_of_nothing_is_nothing_and_weights_must_be_possible():
    assert names(mix(rng=Random(1))) == ""
    with pytest.raises(GeneratorError, match="negative"):
        mix((-1, A), rng=Random(1))


def test_mapped_and_filtered():
    assert names(mapped(lambda op: Invocation(op.f.upper()), [A, B])) == "AB"
    assert names(filtered(lambda op: op.f != "b", [A, B, C])) == "ac"


def test_a_filter_that_nothing_passes_is_an_error_and_no_hang():
    with pytest.raises(GeneratorError, match="in a row did not pass"):
        simulate(filtered(lambda _op: False, repeat(A)))


def test_time_limit_counts_from_the_first_question():
    events = simulate(sequence(sleep(1), time_limit(0.1, delay(0.03, repeat(A)))))
    assert [event.time // MS for event in invoked(events)] == [1000, 1030, 1060, 1090]


def test_time_limit_wakes_a_generator_that_would_sleep_longer():
    events = simulate(sequence(time_limit(1, sequence(sleep(100), A)), B))
    assert [(event.f, event.time) for event in invoked(events)] == [("b", 10**9)]


def test_delay_is_a_fixed_total_rate():
    times = [event.time for event in invoked(simulate(limit(5, delay(0.02, repeat(A))), clients=5))]
    assert times == [0, 20 * MS, 40 * MS, 60 * MS, 80 * MS]


def test_stagger_keeps_the_total_rate_exactly_enough_and_its_gaps_are_spread():
    events = invoked(simulate(time_limit(60, stagger(100, repeat(A), Random(5))), clients=10))
    assert 5800 <= len(events) <= 6200
    gaps = sorted(later.time - earlier.time for earlier, later in pairwise(events))
    assert gaps[0] < 2 * MS
    assert 18 * MS < gaps[-1] <= 20 * MS


def test_stagger_catches_up_but_forgives_a_long_outage():
    slow = lambda _op, _draws: (5_000 * MS, Type.OK)  # noqa: E731
    events = invoked(simulate(time_limit(20, stagger(10, repeat(A), Random(5))), clients=20, perform=slow))
    per_second = Counter(event.time // 10**9 for event in events)
    # 20 clients, each busy for 5 s, do 4 operations per second; what is due meanwhile must not pile up without end.
    assert max(per_second.values()) <= 22


def test_a_rate_of_zero_is_as_fast_as_possible_and_a_negative_one_an_error():
    assert [event.time for event in invoked(simulate(limit(3, stagger(0, repeat(A), Random(1)))))] == [
        0,
        0,
        0,
    ]
    with pytest.raises(GeneratorError, match="-1"):
        stagger(-1, A, Random(1))


def test_reserve_gives_each_its_own_threads():
    events = simulate(limit(60, reserve((2, repeat(A)), (1, repeat(B)), rest=repeat(C))), clients=5)
    by_function = {f: {event.process for event in events if event.f == f} for f in "abc"}
    assert by_function == {"a": {0, 1}, "b": {2}, "c": {3, 4}}


def test_clients_and_nemesis_are_kept_apart():
    both = any_of(on_clients(limit(4, repeat(A))), on_nemesis(limit(2, repeat(B))))
    events = simulate(both, nemesis=True)
    assert {event.process for event in events if event.f == "a"} <= {0, 1, 2}
    assert {event.process for event in events if event.f == "b"} == {"nemesis"}
    assert Counter(event.f for event in invoked(events)) == {"a": 4, "b": 2}


def test_a_generator_without_any_thread_is_exhausted_and_waits_for_nobody():
    assert names(sequence(on_nemesis(A), B), nemesis=False) == "b"


def test_on_threads_takes_a_function_of_the_context():
    events = simulate(limit(6, on_threads(lambda _ctx: 0b101, repeat(A))), clients=3)
    assert {event.process for event in events} == {0, 2}


def test_any_of_takes_turns_and_outlives_its_members():
    assert Counter(names(any_of(limit(3, repeat(A)), limit(5, repeat(B))))) == {"a": 3, "b": 5}
    assert names(limit(4, any_of(repeat(A), repeat(B)))) == "abab"


def test_any_of_waits_for_the_soonest():
    events = invoked(simulate(any_of(sequence(sleep(2), A), sequence(sleep(1), B))))
    assert [(event.f, event.time) for event in events] == [("b", 10**9), ("a", 2 * 10**9)]


def test_per_thread_gives_each_thread_a_copy():
    values = [
        (event.process, event.value)
        for event in invoked(simulate(per_thread(limit(2, numbers())), clients=3))
    ]
    assert sorted(values) == [(process, n) for process in range(3) for n in range(2)]


def test_per_process_begins_anew_for_a_new_process():
    crash = lambda _op, _draws: (MS, Type.INFO)  # noqa: E731
    events = invoked(simulate(limit(6, per_process(numbers())), clients=2, perform=crash))
    assert {event.value for event in events} == {0}
    assert sorted(event.process for event in events) == [0, 1, 2, 3, 4, 5]
    events = invoked(simulate(limit(6, per_thread(numbers())), clients=2, perform=crash))
    assert sorted(event.value for event in events) == [0, 0, 1, 1, 2, 2]


def test_per_process_reopens_a_thread_whose_copy_had_ended():
    def sometimes(_op, draws):
        return MS, draws.pick((Type.OK, Type.INFO))

    events = simulate(limit(40, per_process(limit(2, repeat(A)))), clients=2, perform=sometimes)
    per_process_count = Counter(event.process for event in invoked(events))
    assert max(per_process_count.values()) <= 2
    retired = {event.process for event in events if event.type == Type.INFO}
    assert {process + 2 for process in retired} <= set(per_process_count)


def test_phases_wait_for_everyone():
    slow_b = lambda op, _draws: ({"a": 50, "b": 10}[op.f] * MS, Type.OK)  # noqa: E731
    events = simulate(phases(limit(3, repeat(A)), limit(3, repeat(B))), clients=2, perform=slow_b)
    last_a = max(event.time for event in events if event.f == "a")
    assert min(event.time for event in events if event.f == "b") >= last_a


def test_sequence_does_not_wait_and_synchronize_does():
    events = invoked(simulate([A, B], clients=2))
    assert [event.time for event in events] == [0, 0]
    events = invoked(simulate([A, synchronize(B)], clients=2))
    assert [event.time for event in events] == [0, 10 * MS]


def test_until_ok_stops_after_its_own_success_only():
    outcomes = iter([Type.FAIL, Type.INFO, Type.OK])
    events = simulate(until_ok(repeat(A)), clients=1, perform=lambda _op, _draws: (MS, next(outcomes)))
    assert [event.type for event in events if event.type != Type.INVOKE] == ["fail", "info", "ok"]
    other_succeeds = reserve((1, until_ok(limit(3, repeat(A)))), (1, limit(4, repeat(B))))
    fails_a = lambda op, _draws: (MS, Type.FAIL if op.f == "a" else Type.OK)  # noqa: E731
    assert Counter(names(other_succeeds, clients=2, perform=fails_a)) == {"a": 3, "b": 4}


def test_on_update_replaces_the_generator():
    def handler(child: Generator, _ctx: Context, event: Event) -> Generator:
        return limit(2, repeat(B)) if event.type == Type.FAIL else child

    outcomes = iter([Type.OK, Type.OK, Type.FAIL, Type.OK, Type.OK])
    performed = lambda _op, _draws: (MS, next(outcomes))  # noqa: E731
    assert names(on_update(handler, repeat(A)), clients=1, perform=performed) == "aaabb"


def test_reactive_decides_from_what_it_saw():
    def decide(state, _ctx):
        return (None if state > 2 else PENDING if state < 0 else Invocation("a", None, state)), state

    def react(state, _ctx, event):
        return state + 1 if event.type == Type.OK else state

    events = invoked(simulate(reactive(0, decide, react), clients=1))
    assert [event.value for event in events] == [0, 1, 2]


def test_retrying_repeats_only_what_was_not_ok():
    rounds: Counter[str] = Counter()

    def flaky(op, _draws):
        rounds[op.key] += 1
        return MS, Type.OK if op.key == "good" or (op.key == "late" and rounds["late"] == 3) else Type.FAIL

    wanted = [Invocation("read", key) for key in ("good", "late", "bad")]
    simulate(retrying(wanted, 4), clients=2, perform=flaky)
    assert rounds == {"good": 1, "late": 3, "bad": 4}


def test_deferred_is_made_when_it_is_asked():
    made = []
    source = sequence(A, deferred(lambda: made.append(1) or B))
    assert made == []
    assert names(source) == "ab"


def test_sleep_is_a_pause_and_takes_no_thread():
    events = simulate(any_of(sequence(sleep(1), A), limit(2, repeat(B))), clients=1)
    assert [(event.f, event.time) for event in invoked(events)] == [("b", 0), ("b", 10 * MS), ("a", 10**9)]


def test_pending_for_ever_ends_a_simulation():
    assert (
        simulate(reactive(0, lambda state, _ctx: (Pending(), state), lambda state, _ctx, _event: state)) == []
    )


class TestByKey:
    def make(self, **options):
        return by_key(lambda _key, _rng: numbers(), rng=Random(1), **options)

    def test_groups_work_on_a_key_each_and_leave_it(self):
        plan = self.make(threads_per_key=2, operations_per_key=7)
        events = invoked(simulate(limit(84, plan), clients=6))
        counts = Counter(event.key for event in events)
        assert set(counts.values()) == {7}
        for key in counts:
            assert len({event.process for event in events if event.key == key}) == 2
            assert sorted(event.value for event in events if event.key == key) == list(range(7))

    def test_threads_that_do_not_divide_are_spread(self):
        events = invoked(simulate(limit(300, self.make(threads_per_key=3, operations_per_key=5)), clients=10))
        assert len({event.process for event in events}) == 10
        assert max(len({e.process for e in events if e.key == key}) for key in {e.key for e in events}) <= 4

    def test_more_threads_per_key_than_threads_is_one_group(self):
        events = invoked(simulate(limit(10, self.make(threads_per_key=9, operations_per_key=5)), clients=2))
        assert [event.key for event in events] == ["k0"] * 5 + ["k1"] * 5

    def test_keys_end(self):
        events = invoked(simulate(self.make(threads_per_key=1, operations_per_key=2, keys=5), clients=2))
        assert Counter(event.key for event in events) == {f"k{n}": 2 for n in range(5)}

    def test_a_key_whose_generator_ends_is_left(self):
        plan = by_key(lambda _k, _r: A, rng=Random(1), threads_per_key=1, operations_per_key=9, keys=4)
        assert sorted(event.key for event in invoked(simulate(plan, clients=2))) == ["k0", "k1", "k2", "k3"]

    def test_empty_keys_are_an_error_and_no_hang(self):
        plan = by_key(lambda _k, _r: [], rng=Random(1), threads_per_key=1, operations_per_key=9)
        with pytest.raises(GeneratorError, match="keys in a row had no operation"):
            simulate(plan)

    def test_each_key_sees_the_same_stream_whatever_the_speed(self):
        def streams(perform):
            plan = by_key(
                lambda _k, rng: mix((1, repeat(A)), (1, numbers()), rng=rng),
                rng=Random(4), threads_per_key=2, operations_per_key=10, keys=12,
            )  # fmt: skip
            events = invoked(simulate(plan, clients=6, perform=perform))
            return {k: [(e.f, e.value) for e in events if e.key == k] for k in {e.key for e in events}}

        assert streams(imperfect) == streams(lambda _op, _draws: (MS, Type.OK))

    def test_updates_reach_the_group_that_did_it(self):
        plan = by_key(
            lambda _k, _r: until_ok(repeat(A)),
            rng=Random(1),
            threads_per_key=1,
            operations_per_key=99,
            keys=2,
        )
        outcomes = {"k0": iter([Type.FAIL, Type.OK]), "k1": iter([Type.FAIL, Type.FAIL, Type.FAIL, Type.OK])}
        events = invoked(simulate(plan, clients=2, perform=lambda op, _d: (MS, next(outcomes[op.key]))))
        assert Counter(event.key for event in events) == {"k0": 2, "k1": 4}

    def test_it_runs_inside_reserve(self):
        plan = self.make(threads_per_key=2, operations_per_key=5)
        events = invoked(simulate(limit(40, reserve((3, repeat(A)), rest=plan)), clients=7))
        assert {event.process for event in events if event.key} == {3, 4, 5, 6}

    def test_impossible_numbers_are_named(self):
        with pytest.raises(GeneratorError, match="threads_per_key=0"):
            self.make(threads_per_key=0, operations_per_key=1)


def test_side_by_side_names_can_be_undone_for_updates():
    def rename(op: Invocation) -> Invocation:
        return Invocation(f"x/{op.f}", f"x/{op.key}", op.value)

    def restore(event: Event) -> Event:
        return Event(
            event.index,
            event.time,
            event.process,
            event.type,
            event.f.removeprefix("x/"),
            event.key.removeprefix("x/"),
        )

    plan = by_key(
        lambda _k, _r: until_ok(repeat(A)), rng=Random(1), threads_per_key=1, operations_per_key=99, keys=1
    )
    events = invoked(simulate(mapped(rename, plan, restore), clients=1, events_max=50))
    assert [(event.f, event.key) for event in events] == [("x/a", "x/k0")]


def test_a_generator_that_decides_nothing_cannot_be_made():
    class Idle(Generator, frozen=True, gc=False):
        pass

    with pytest.raises(TypeError, match="next"):
        Idle()


def test_only_does_some_of_a_stream_at_the_moments_that_they_had():
    def stream():
        return stagger(100, mix((1, repeat(A)), (1, repeat(B)), rng=Random(1)), Random(2))

    every = invoked(simulate(limit(20, stream()), clients=3))
    kept = invoked(simulate(only([3, 4, 17], stream()), clients=3))
    assert [(event.f, event.time) for event in kept] == [(every[at].f, every[at].time) for at in (3, 4, 17)]
    assert names(only([], repeat(A))) == ""
