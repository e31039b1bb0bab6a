"""Virtual time: jumps, order, threads, stuck programs; and real loops that end in spite of stubborn tasks."""

from __future__ import annotations

import asyncio
import time

import pytest

from quorate.harness.core.clock import RealClock, StuckError, VirtualClock, clock_of, run_real, run_virtual
from quorate.harness.run.runner.lag import Lag


def test_hours_pass_in_milliseconds_and_in_order():
    order = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((name, round(asyncio.get_running_loop().time())))

    async def main() -> None:
        await asyncio.gather(wait("b", 7200), wait("a", 3600), wait("c", 7201))

    begin = time.perf_counter()
    run_virtual(main())
    assert order == [("a", 3600), ("b", 7200), ("c", 7201)]
    assert time.perf_counter() - begin < 5


def test_a_program_that_waits_for_nothing_is_stuck():
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError):
        run_virtual(main())


def test_time_stands_still_while_a_thread_works():
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(3600, lambda: None)
        begin = loop.time()
        await asyncio.to_thread(time.sleep, 0.12)
        return loop.time() - begin

    assert run_virtual(main()) < 1


def test_a_busy_loop_sees_time_pass():
    async def main() -> int:
        turns, end = 0, asyncio.get_running_loop().time() + 0.001
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert run_virtual(main()) == pytest.approx(1000, rel=0.1)


def test_each_loop_has_its_clock():
    async def both() -> tuple[type, int]:
        clock = clock_of(asyncio.get_running_loop())
        before = clock.now_ns()
        await clock.sleep(0.01)
        return type(clock), clock.now_ns() - before

    kind, took = run_virtual(both())
    assert kind is VirtualClock
    assert 10_000_000 <= took < 10_100_000
    kind, took = run_real(both())
    assert kind is RealClock
    assert took >= 9_900_000


def test_a_real_loop_ends_although_a_task_ignores_cancellation():
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue

    async def main() -> str:
        main.task = asyncio.create_task(stubborn())  # kept, so that it is not collected
        await asyncio.sleep(0)
        return "done"

    begin = time.perf_counter()
    assert run_real(main()) == "done"
    assert time.perf_counter() - begin < 10


def test_an_error_of_the_main_coroutine_comes_out():
    async def main() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        run_virtual(main())


def test_lag_quantiles_are_at_most_a_sixteenth_too_high():
    lag = Lag()
    for value in range(1, 100_001):
        lag.add(value * 1000)
    for share in (0.5, 0.9, 0.99):
        exact = share * 100
        assert exact <= lag.quantile_ms(share) <= exact * 17 / 16 + 0.001
    assert lag.quantile_ms(1.0) == lag.max_ns / 1e6 == 100.0
    assert Lag().quantile_ms(0.5) == 0.0
    lag.add(-5)
