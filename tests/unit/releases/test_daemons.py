"""Servers that run as one daemon a node, whichever system: releases are refused early, and stopping has an end."""

from __future__ import annotations

import signal

import pytest

from quorate.harness.core import registry
from quorate.harness.core.clock import run_virtual
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import UsageError


@pytest.mark.parametrize(("system", "own"), [("etcd", "binary"), ("consul", "binary"), ("zookeeper", "jars")])
def test_an_unknown_release_is_wrong_usage(system, own):
    make = registry.find("systems", system)
    with pytest.raises(UsageError, match=f"no way to get {system}@nine"):
        make(SystemOptions(release="nine"))
    for options in (
        SystemOptions(release="nine", settings={own: "/opt/mine"}),
        SystemOptions(release="nine", image="mine"),
    ):
        assert make(options).release == "nine"


class Stuck:
    """A node whose server hangs in the kernel: no signal ends it."""

    name = "n1"

    def __init__(self):
        self.signals = []

    async def signal(self, _daemon, number):
        self.signals.append(number)

    async def state(self, _daemon):
        return ProcessState.RUNNING


@pytest.mark.parametrize("system", ["etcd", "consul", "zookeeper"])
def test_a_server_that_no_signal_ends_is_reported(system):
    node = Stuck()
    with pytest.raises(Broken, match=f"{system} on n1 still runs 10 s after SIGKILL"):
        run_virtual(registry.find("systems", system)(SystemOptions()).stop(node))
    assert node.signals[0] is signal.SIGTERM
    assert set(node.signals[1:]) == {signal.SIGKILL}
