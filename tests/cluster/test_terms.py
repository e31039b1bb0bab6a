"""Leases, elections and numbers on real servers: what all systems have in common."""

from __future__ import annotations

import asyncio
import os

import pytest

from quorate.harness.core.capabilities import Elections, Leases, Sequences
from quorate.harness.core.outcome import OutcomeError, Refused
from quorate.harness.core.test import Test
from quorate.harness.testing import RunningCluster

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module", params=["etcd", "consul", "zookeeper"])
def running(request):
    """Three nodes in network namespaces."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces of this kind need root")
    with RunningCluster(Test(system=request.param, cluster="local", seed=0)) as running:
        yield running


def with_clients(running, scenario, *deadlines):
    """Run a scenario with a client at each node, as many as there are deadlines."""

    async def body():
        nodes = running.cluster.nodes
        clients = [await running.system.client([node], s) for node, s in zip(nodes, deadlines, strict=False)]
        try:
            await scenario(*clients)
        finally:
            await asyncio.gather(*(client.close() for client in clients))

    running.call(body())


async def refused(awaitable) -> Refused:
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value


async def leases(one, other) -> None:
    assert isinstance(one, Leases)
    granted = await one.grant_key("room", "a", 2)
    told = granted.value
    assert told["ttl_ms"] >= 2000
    assert {"sooner_ms", "later_ms", "relay_ms"} <= told.keys()
    seen = await other.granted_keys("room")
    assert (seen.value["names"], seen.version >= granted.version) == (["a"], True)
    assert seen.value["term"] > 0
    await other.renew_key("room", "a", told["lease"])  # anybody may, with the lease
    await one.grant_key("room", "b", 2)
    revoked = await other.revoke_key("room", "a", told["lease"])
    seen = await one.granted_keys("room")
    assert "a" not in seen.value["names"]
    assert seen.version >= (revoked.version or 0)
    assert (await refused(one.renew_key("room", "a", told["lease"]))).code == "lease-gone"
    assert (await other.granted_keys("empty")).value["names"] == []
    many = await one.grant_key("many", "d", 2, 3)
    assert (await other.granted_keys("many")).value["names"] == ["d", "d+1", "d+2", "d+3"]
    await other.revoke_key("many", "d", many.value["lease"])
    assert (await one.granted_keys("many")).value["names"] == []
    lost = await one.grant_key("room", "c", 2)
    async with asyncio.timeout(60):
        while "c" in (await other.granted_keys("room")).value["names"]:  # noqa: ASYNC110 - in the server's own time
            await asyncio.sleep(0.1)
    assert (await refused(other.renew_key("room", "c", lost.value["lease"]))).code == "lease-gone"


async def elections(one, other, hasty) -> None:
    """The last client has a short deadline."""
    assert isinstance(one, Elections)
    assert (await refused(one.leader("e"))).code == "nobody-elected"
    assert (await refused(one.proclaim("e", "nothing"))).code == "not-elected"
    first = (await one.campaign("e", "one")).value
    assert (await other.leader("e")).value == ["one", first]
    with pytest.raises(OutcomeError):
        await hasty.campaign("e", "hasty")
    await hasty.close()
    assert (await one.proclaim("e", "still one")).value == first
    assert (await other.leader("e")).value == ["still one", first]
    waiting = asyncio.create_task(other.campaign("e", "other"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await one.resign("e")
    second = (await waiting).value
    assert second > first
    assert (await other.proclaim("e", "other speaks")).value == second, "speaking does not change the token"
    assert (await one.leader("e")).value == ["other speaks", second]
    assert (await refused(one.proclaim("e", "late"))).code == "not-elected"


async def numbers(one, other) -> None:
    """Two clients draw in turn."""
    assert isinstance(one, Sequences)
    drawn = [(await client.next_id("n")).value for client in (one, other, one, one, other)]
    assert drawn == sorted(set(drawn))


@pytest.mark.parametrize(
    ("scenario", "deadlines"), [(leases, (4, 4)), (elections, (4, 4, 0.5)), (numbers, (4, 4))]
)
def test_it(running, scenario, deadlines):
    with_clients(running, scenario, *deadlines)
