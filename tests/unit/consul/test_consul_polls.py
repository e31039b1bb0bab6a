"""A standing poll: what it asks with, what it reports of its times, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from quorate.harness.core.clock import run_virtual
from quorate.harness.core.outcome import Refused
from quorate.harness.systems.polls import Answered, StandingPoll


def poll_of(*answers):
    """A poll whose queries are answered so: (seconds that it takes, index); an exception is raised."""
    asked, waiting = [], list(answers)

    async def ask(index):
        asked.append(index)
        seconds, told = waiting.pop(0) if waiting else (1000, 0)
        await asyncio.sleep(seconds)
        if isinstance(told, Exception):
            raise told
        return Answered(told, {"a": [told, told]})

    return StandingPoll(1, "a", ask), asked


def test_it_asks_with_what_it_was_told_and_anew_where_the_index_went_backwards():
    async def body():
        poll, asked = poll_of((0.1, 5), (0.1, 7), (0.1, 3), (0.1, 3))
        told = await poll.take(0.45)
        assert asked == [0, 5, 7, 0, 3]
        assert [answer["index"] for answer in told] == [5, 7, 3, 3]
        await poll.close()

    run_virtual(body())


def test_a_query_goes_on_between_calls_and_tells_when_it_was_asked():
    async def body():
        poll, asked = poll_of((0.1, 5), (1.0, 7))
        first = await poll.take(0.4)
        assert [(one["calls"], one["after_us"]) for one in first] == [(0, 0)]
        assert abs(first[0]["before_us"] - 300_000) <= 100
        assert await poll.take(0.4) == []
        (late,) = await poll.take(0.4)
        assert (asked[:2], late["asked"], late["calls"]) == ([0, 5], 5, 2)
        assert abs(late["after_us"] - 100_000) <= 100
        await poll.close()

    run_virtual(body())


def test_what_a_query_ends_with_is_raised_and_closing_ends_it():
    async def body():
        poll, _ = poll_of((0.1, Refused("unread", "gone")))
        with pytest.raises(Refused):
            await poll.take(0.4)
        await poll.close()
        poll, _ = poll_of((100, 1))
        await poll.take(0.1)
        await poll.close()
        await poll.close()
        assert len(asyncio.all_tasks()) == 1

    run_virtual(body())
