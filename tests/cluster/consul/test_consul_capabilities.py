"""Every capability of the Consul client against real servers."""

# ruff: noqa: ASYNC110 - tests ask servers until they have changed

from __future__ import annotations

import asyncio

from quorate.harness.core.outcome import Refused
from quorate.harness.systems.consul.client.caller import ClientOptions
from quorate.harness.systems.consul.client.client import ConsulClient
from quorate.harness.systems.divergence import compare


def client_of(node, **options) -> ConsulClient:
    return ConsulClient(f"test-{node.name}", {node.name: node.address}, 4.0, ClientOptions(**options))


def test_the_evidence_of_each_read_mode(run, servers):
    async def body():
        leader, follower = await servers.leader(), await servers.follower()
        stale, default = client_of(follower, reads="stale"), client_of(follower, reads="default")
        told = (await stale.read("r")).evidence
        assert told is not None
        assert told.startswith("known-leader last-contact=")
        assert (await default.read("r")).evidence == "known-leader last-contact=0ms"
        at_leader = client_of(leader, reads="consistent")
        assert (await at_leader.read("r")).evidence == "known-leader last-contact=0ms"
        await asyncio.gather(stale.close(), default.close(), at_leader.close())

    run(body())


def test_a_lock_whose_session_is_gone_is_lost_and_the_next_has_a_session_of_its_own(run, servers, outcome):
    async def body():
        one, other = (client_of(node) for node in servers.nodes[:2])
        first = await one.acquire("lost")
        await other.destroy_session(first.session)
        assert (await outcome(one.release("lost"))).code == "not-held"
        assert (await other.acquire("lost")).value > first.value
        await other.release("lost")
        refused = await outcome(one.acquire("lost"))
        assert (type(refused), refused.code) == (Refused, "session-invalid")
        assert (await one.acquire("lost")).session not in {None, first.session}
        await asyncio.gather(one.close(), other.close())

    run(body())


def test_a_lost_lock_rests_for_its_delay(run, servers, outcome):
    async def body():
        one = client_of(servers.nodes[0], lock_delay_s=1.0)
        other = client_of(servers.nodes[1])
        first = await one.acquire("rests")
        await other.destroy_session(first.session)
        refused = await outcome(other.acquire("rests"))
        assert refused.code == "lock-delay", refused.text
        await asyncio.sleep(1.1)
        assert (await other.acquire("rests")).value > first.value
        await asyncio.gather(one.close(), other.close())

    run(body())


def test_a_session_is_renewed_while_its_client_lives(run, servers):
    async def body():
        client = client_of(servers.nodes[0])
        session = (await client.acquire("kept")).session
        about = (await client.find_session(session)).value
        assert (about["TTL"], about["LockDelay"], about["Behavior"]) == ("10s", 0, "release")
        assert not about.get("NodeChecks")
        await client.renew_session(session)
        await client.close()
        witness = client_of(servers.nodes[1])
        assert (await witness.find_session(session)).value is None
        await witness.close()

    run(body())


def test_blocking_queries_wait_for_the_next_change(run, servers):
    async def body():
        watcher, writer = (client_of(node) for node in servers.nodes[:2])
        wrote = await writer.write("watched", 1)
        seen = await watcher.changed("register", "watched", 0, 1)
        assert seen.entries == {"quorate/register/watched": (1, wrote.version)}
        waiting = asyncio.create_task(watcher.changed("register", "watched", seen.index, 5))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        wrote = await writer.write("watched", 2)
        assert (await waiting).entries == {"quorate/register/watched": (2, wrote.version)}
        assert await watcher.changed("register", "watched", (await waiting).index, 0.1) is None
        await asyncio.gather(watcher.close(), writer.close())

    run(body())


def test_services_are_found_and_only_healthy_ones_if_asked(run, servers):
    async def body():
        one, other = (client_of(node) for node in servers.nodes[:2])
        await one.register("web", "web-1", 80, ttl_s=30)
        async with asyncio.timeout(5):
            while (await other.instances("web")).value != [[servers.nodes[0].name, "web-1", 80]]:
                await asyncio.sleep(0.05)
        assert (await other.instances("web", healthy=True)).value == []
        await one.passing("web-1")
        async with asyncio.timeout(5):
            while not (await other.instances("web", healthy=True)).value:
                await asyncio.sleep(0.05)
        await one.deregister("web-1")
        await asyncio.gather(one.close(), other.close())

    run(body())


def test_dumps_of_all_servers_agree(run, servers):
    async def body():
        client = await servers.client()
        await client.write("dumped", "here")
        dumps = await servers.system.dump(servers.cluster, 5)
        comparison = compare(dumps)
        assert comparison.differences == ()
        assert len(comparison.compared) == 3
        assert dumps[0].contents["quorate/register/dumped"][0] == '"here"'
        await client.close()

    run(body())


def test_a_server_takes_more_connections_than_consul_allows_an_address_by_itself(run, servers):
    """Forty clients with their spare connections: 360 of one address, 200 is Consul's own limit."""

    async def body():
        node = servers.nodes[0]
        clients = [client_of(node, reads="stale", spare_connections=8) for _ in range(40)]
        try:
            for _ in range(3):  # one opens, the second finds the spares, the third comes behind them
                await asyncio.gather(*(client.read("many") for client in clients))
            done = await node.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"])
            established = [line.split() for line in done.stdout.splitlines() if " 01 " in line]
            assert sum(fields[1].endswith(":2134") for fields in established) > 300
            await asyncio.gather(*(client.read("many") for client in clients))
        finally:
            await asyncio.gather(*(client.close() for client in clients))

    run(body())


def test_a_standing_poll_tells_what_changes_and_when_it_asked(run, servers):
    async def body():
        poller, writer = client_of(servers.nodes[0], reads="consistent"), client_of(servers.nodes[1])
        wrote = await writer.set_name("polled", "a", 1)
        first = (await poller.poll("polled", None, 10, 0.3)).value
        assert first["answers"][0]["entries"] == {"a": [1, wrote.version]}
        assert (first["mode"], first["answers"][0]["asked"]) == ("consistent", 0)
        await writer.set_name("polled", "b", 2)
        await writer.set_name("polled", "a", None)
        answers = []
        async with asyncio.timeout(5):
            while not answers or set(answers[-1]["entries"]) != {"b"}:
                seen = (await poller.poll("polled", None, 10, 0.3)).value
                assert seen["watch"] == first["watch"]
                answers += seen["answers"]
        assert answers[0]["asked"] == first["answers"][-1]["index"]
        assert answers[0]["calls"] >= 1, "it was under way since an earlier call"
        only = (await poller.poll("polled", "b", 10, 0.3)).value
        assert (only["watch"], set(only["answers"][0]["entries"])) == (first["watch"] + 1, {"b"})
        await asyncio.gather(poller.close(), writer.close())

    run(body())


def test_services_of_the_catalogue_are_found_by_both_indexes(run, servers):
    async def body():
        one, other = (client_of(node, reads="consistent") for node in servers.nodes[:2])
        for value in (1, 2, None, 3, None):
            await one.enlist("discovery/x", "k1", value)
            for healthy in (False, True):
                assert (await other.find("discovery/x", "k1", healthy)).value == value
        await asyncio.gather(one.close(), other.close())

    run(body())


def test_an_agent_and_the_catalogue_come_to_have_the_same(run, servers):
    async def body():
        one = client_of(servers.nodes[0], reads="consistent")
        assert (await one.announce("agents/x", "s1", 1)).member == servers.nodes[0].name
        await one.announce("agents/x", "s2", 2)
        async with asyncio.timeout(60):
            while (seen := (await one.compare("agents/x")).value)["catalog"] != {"s1": 1, "s2": 2}:
                assert seen["agent"] == {"s1": 1, "s2": 2}
                await asyncio.sleep(0.1)
        await one.announce("agents/x", "s1", None)
        assert (await one.compare("agents/x")).value["agent"] == {"s2": 2}
        await one.announce("agents/x", "s2", None)
        await one.close()

    run(body())
