"""Waiting for an answer: at once, at the deadline, and never longer; in virtual time."""

from __future__ import annotations

import asyncio
import time

import pytest

from quorate.harness.core.clock import run_virtual, until, until_blocking


def asked(answers: list[int], wanted: int, deadline_s: float) -> tuple[int, float, int]:
    """Return the answer, how long it took, and how often was asked."""

    async def main() -> tuple[int, float, int]:
        calls = 0

        async def probe() -> int:
            nonlocal calls
            calls += 1
            return answers[min(calls, len(answers)) - 1]

        loop = asyncio.get_running_loop()
        begin = loop.time()
        found = await until(probe, lambda answer: answer == wanted, deadline_s=deadline_s, poll_s=0.1)
        return found, loop.time() - begin, calls

    return run_virtual(main())


def test_what_is_enough_at_once_is_not_waited_for():
    found, took_s, calls = asked([1], 1, 5.0)
    assert (found, calls) == (1, 1)
    assert took_s == pytest.approx(0, abs=0.01)


def test_it_asks_until_the_answer_is_enough():
    found, took_s, calls = asked([3, 2, 1, 0], 1, 5.0)
    assert (found, calls) == (1, 3)
    assert took_s == pytest.approx(0.2, abs=0.01)


def test_at_the_deadline_the_last_answer_is_given():
    found, took_s, calls = asked([3, 2], 1, 1.0)
    assert found == 2
    assert took_s == pytest.approx(1.0, abs=0.11)
    assert calls >= 10


def test_without_time_it_is_asked_once():
    assert asked([2], 1, 0.0)[2] == 1


def test_a_thread_waits_as_a_task_does():
    answers = iter([3, 2, 1, 0])
    assert until_blocking(lambda: next(answers), lambda one: one == 1, deadline_s=5.0, poll_s=0.001) == 1
    assert next(answers) == 0, "it asks no further"


def test_a_thread_asks_a_last_time_at_the_deadline():
    asked: list[float] = []

    def probe() -> int:
        asked.append(time.monotonic())
        return len(asked)

    found = until_blocking(probe, lambda _: False, deadline_s=0.05, poll_s=0.02)
    assert found == len(asked) >= 2
    assert asked[-1] - asked[0] >= 0.05
