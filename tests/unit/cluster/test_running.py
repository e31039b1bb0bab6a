"""A cluster that is already there: what is understood, and what is refused before anything is asked of it."""

from __future__ import annotations

import asyncio

import pytest

from quorate.harness.cluster.running import RunningCluster, endpoint
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.test import Test
from quorate.harness.run import prepare

WHERE = ("127.0.0.1:9", "127.0.0.1:19")


@pytest.mark.parametrize("text", ["db1:2379", "http://db1:2379", " https://db1:2379/ "])
def test_endpoints_are_read_as_people_write_them(text):
    assert str(endpoint(text)) == "db1:2379"


@pytest.mark.parametrize("text", ["db1", "db1:", ":2379", "db1:0", "db1:70000", "db1:http"])
def test_what_is_no_endpoint_is_told(text):
    with pytest.raises(UsageError, match="HOST:PORT"):
        endpoint(text)


def test_its_members_are_counted_and_the_command_repeats_it():
    test = Test(cluster="running", endpoints=WHERE)
    assert test.nodes == 2
    assert "--endpoints 127.0.0.1:9,127.0.0.1:19" in test.command()
    assert "--nodes" not in test.command()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cluster": "running"}, "belong together"),
        ({"endpoints": WHERE}, "belong together"),
        ({"cluster": "running", "endpoints": WHERE, "faults": ("kill",)}, "no faults"),
        ({"cluster": "running", "endpoints": WHERE, "system": "etcd@3.5"}, "no release"),
        (
            {"cluster": "running", "endpoints": WHERE, "system": "consul", "workload": ("agents",)},
            "registers services",
        ),
        (
            {"cluster": "running", "endpoints": WHERE, "system": "zookeeper", "settings": {"prefix": "/"}},
            "a node",
        ),
        (
            {"cluster": "running", "endpoints": WHERE, "system": "zookeeper", "settings": {"tick": "1s"}},
            "servers",
        ),
        ({"cluster": "running", "endpoints": WHERE, "workload": ("watch",)}, "whole store"),
        ({"cluster": "running", "endpoints": WHERE, "settings": {"heartbeat": "50ms"}}, "setting of servers"),
        ({"cluster": "running", "endpoints": WHERE, "settings": {"ca": "/nowhere"}}, "cannot be read"),
        ({"cluster": "running", "endpoints": WHERE, "settings": {"user": "me"}}, "QUORATE_PASSWORD"),
        ({"cluster": "running", "endpoints": WHERE, "settings": {"prefix": "/"}}, "prefix for the run alone"),
        ({"cluster": "running", "endpoints": WHERE, "settings": {"cert": "/nowhere"}}, "belong together"),
        (
            {
                "cluster": "running",
                "endpoints": WHERE,
                "system": "zookeeper",
                "settings": {"recipes": "kazoo"},
            },
            "kazoo's clients keep to no prefix",
        ),
        ({"cluster": "running", "endpoints": WHERE, "settings": {"tls": "yes"}}, "ca, cert and key"),
        ({"cluster": "running", "endpoints": WHERE, "settings": {"auth": "yes"}}, "user and password_file"),
        ({"cluster": "local", "settings": {"prefix": "/mine/"}}, "for --cluster running"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(options, said, monkeypatch):
    monkeypatch.delenv("QUORATE_PASSWORD", raising=False)
    with pytest.raises(UsageError, match=said):  # noqa: PT012 - two places where it may be raised
        test = Test(**options)
        test.validate()
        prepare(test)


def test_nothing_on_its_hosts_is_touched():
    cluster = RunningCluster("r", WHERE)
    (first, _) = cluster.nodes

    async def tried():
        assert await first.state("etcd") is ProcessState.RUNNING
        for attempt in (
            first.run(["true"]),
            first.signal("etcd", 9),
            cluster.network.cut(frozenset({("n1", "n2")})),
        ):
            with pytest.raises(Broken, match=r"not quorate's|not cut"):
                await attempt
        with pytest.raises(Broken, match=r"no server answers at 127\.0\.0\.1:9: .*; 127\.0\.0\.1:19"):
            await cluster.up()
        await cluster.down()

    asyncio.run(tried())
