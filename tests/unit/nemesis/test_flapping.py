"""A cut that comes and goes: what it does, and what becomes of it where the network fails under it."""

from __future__ import annotations

import asyncio

import pytest

from quorate.harness.core.clock import run_virtual
from quorate.harness.core.outcome import Broken
from quorate.nemesis.flapping import Flapping

PAIRS = frozenset({("n1", "n2")})


class Network:
    def __init__(self, failing_at=None, error=None):
        self.cuts = []
        self.failing_at, self.error = failing_at, error

    async def cut(self, pairs):
        if len(self.cuts) == self.failing_at:
            raise self.error
        self.cuts.append(pairs)


async def flapped(network, seconds):
    flapping = Flapping(0.5)
    flapping.begin(network, PAIRS)
    await asyncio.sleep(seconds)
    await flapping.end()
    return flapping.told


def test_it_goes_and_comes_back_until_its_end():
    network = Network()
    text, holds = run_virtual(flapped(network, 1.75))
    assert (network.cuts, holds) == ([frozenset(), PAIRS, frozenset()], True)
    assert text.endswith("was away 2 times")


def test_one_that_never_went_away_proves_nothing():
    assert run_virtual(flapped(Network(), 0.25))[1] is False


@pytest.mark.parametrize("error", [Broken("nft", "no such table"), OSError("no such table")])
def test_a_network_that_fails_is_told_and_does_not_keep_the_healing_from_going_on(error):
    text, holds = run_virtual(flapped(Network(1, error), 1.75))
    assert holds is False
    assert "no such table" in text
