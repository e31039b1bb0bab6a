"""Clusters of a compose file: what is understood, and what is refused before the engine or the program is asked."""

from __future__ import annotations

import asyncio
import re

import pytest

from quorate.harness.cluster.compose.asked import Member, members
from quorate.harness.cluster.compose.program import network_modes
from quorate.harness.cluster.compose.turns import Turns
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.test import Test
from quorate.harness.run import prepare

THREE = ("n1=etcd-a", "n2=etcd-b", "n3=etcd-c")


def test_services_are_named_or_counted_and_may_have_a_port():
    assert members(("n2=etcd-b", "n1=etcd-a:12379")) == (
        Member("n1", "etcd-a", 12379),
        Member("n2", "etcd-b"),
    )
    assert members(("one", " two ")) == (Member("n1", "one"), Member("n2", "two"))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("n1=a", "n3=b"), "nodes are called n1, n2"),
        (("n1=a", "n1=b"), "nodes are called n1, n2"),
        (("a=n1",), "nodes are called n1"),
        (("n1=a", "n2=a"), "names a twice"),
        (("n1=",), "not a service"),
        (("n1=a b",), "not a service"),
        (("n1=a:http",), "not a port"),
        (("n1=a:70000",), "not a port"),
    ],
)
def test_a_wrong_map_is_told(texts, said):
    with pytest.raises(UsageError, match=said):
        members(texts)


def test_members_are_counted_and_the_command_repeats_it():
    test = Test(cluster="compose", file="docker-compose.yml", service=THREE)
    assert test.nodes == 3
    assert "--file docker-compose.yml --service n1=etcd-a,n2=etcd-b,n3=etcd-c" in test.command()
    assert "--nodes" not in test.command()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"service": ()}, "belong together"),
        ({"file": None}, "belong together"),
        ({"cluster": "docker"}, "belong together"),
        ({"system": "etcd@3.5"}, "takes no release"),
        ({"build": "../etcd"}, "takes no release"),
        ({"image": "etcd:3"}, "needs --cluster docker"),
        ({"system": "simulated"}, "inside this process"),
        ({"service": ("n1=etcd-a", "n3=etcd-b")}, "nodes are called n1, n2"),
        ({"workload": ("watch",)}, "whole store"),
        ({"settings": {"pre_vote": "yes"}}, "setting of servers"),
        ({"settings": {"tls": "yes"}}, "ca, cert and key"),
        ({"faults": ("disk",)}, "there: client-partition, clock, kill, packet, partition, pause, restart"),
        ({"faults": ("compact",)}, "not on servers that are not quorate's"),
        ({"faults": ("kill",), "settings": {"kill.on": "snapshot"}}, "not watched"),
        ({"faults": ("kill:n4",)}, "no node is called n4"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(options, said):
    given = {"cluster": "compose", "file": "docker-compose.yml", "service": THREE, **options}
    with pytest.raises(UsageError, match=re.escape(said)):  # noqa: PT012 - two places where it may be said
        test = Test(**given)
        test.validate()
        prepare(test)


def test_who_has_no_network_of_its_own_is_read_from_the_programs_own_words():
    config = (
        "networks:\n  host:\n    network_mode: none\nservices:\n  'one':\n    command: 'etcd --name one\n\n"
        "      --network_mode: x'\n    network_mode: host\n  two:\n    image: x\n    environment:\n"
        '      network_mode: bridge\n  three:\n    network_mode: "service:two"\nvolumes:\n  four:\n'
        "    network_mode: x\n"
    )
    assert network_modes(config) == {"one": "host", "three": "service:two"}


def test_containers_start_in_the_order_of_their_addresses():
    async def started():
        turns, order = Turns(), []

        async def start(name, address):
            async with turns.of(name, address):
                order.append(name)
                await asyncio.sleep(0)

        await asyncio.gather(start("n3", "172.18.0.10"), start("n1", "172.18.0.9"), start("n2", "172.18.0.2"))
        return order

    assert asyncio.run(started()) == ["n2", "n1", "n3"]


def test_one_that_fails_to_start_keeps_nobody_waiting():
    async def started():
        turns = Turns()

        async def start(name, address, error):
            async with turns.of(name, address):
                if error is not None:
                    raise error

        return await asyncio.wait_for(
            asyncio.gather(
                start("n1", "172.18.0.2", OSError("gone")),
                start("n2", "172.18.0.3", None),
                return_exceptions=True,
            ),
            5,
        )

    failed, fine = asyncio.run(started())
    assert isinstance(failed, OSError)
    assert fine is None
