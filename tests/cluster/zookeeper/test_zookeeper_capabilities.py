"""Every capability of the ZooKeeper client against real servers."""

# ruff: noqa: ASYNC110 - tests ask servers until they have changed

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from quorate.harness.core.outcome import Reply, Unknown
from quorate.harness.systems.divergence import compare
from quorate.harness.systems.zookeeper.client.access import ROOT
from quorate.harness.systems.zookeeper.client.caller import ClientOptions
from quorate.harness.systems.zookeeper.client.client import ZooKeeperClient
from quorate.harness.systems.zookeeper.client.connection import Notice

CREATED, DELETED, CHANGED, CHILDREN = 1, 2, 3, 4


def client_of(node, **options) -> ZooKeeperClient:
    return ZooKeeperClient(f"test-{node.name}", {node.name: node.address}, 4.0, ClientOptions(**options))


async def until(ask: Callable[[], Awaitable[Reply]], good: Callable[[Reply], bool]) -> None:
    async with asyncio.timeout(5):
        while not good(await ask()):
            await asyncio.sleep(0.05)


@pytest.fixture(name="pair")
def pair_fixture(run, servers):
    one, other = (client_of(node) for node in servers.nodes[:2])
    yield one, other
    run(one.close())
    run(other.close())


def test_a_leader_leads_until_its_session_goes(run, pair, outcome):
    async def body():
        one, other = pair
        first = (await other.campaign("e", "other")).value
        assert [(await client.leader("e")).value for client in pair] == [["other", first]] * 2
        waiting = asyncio.create_task(one.campaign("e", "one"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await other.close()
        assert (await waiting).value > first
        await one.resign("e")
        assert (await outcome(one.leader("e"))).code == "nobody-elected"

    run(body())


def test_one_shot_watches_tell_once(run, pair):
    async def body():
        one, other = pair
        node = f"{ROOT}/watched"
        assert (await one.watch_data(node)).value is None
        await other.create_node(node, 1)
        assert await one.next_notice(4) == Notice(CREATED, node)
        assert (await one.watch_data(node)).value == 1
        assert (await one.watch_children(node)).value == []
        await other.create_node(f"{node}/child", 1)
        assert await one.next_notice(4) == Notice(CHILDREN, node)
        await other.create_node(f"{node}/child2", 1)
        assert await one.next_notice(0.3) is None
        one.drop()
        with pytest.raises(Unknown):
            await one.next_notice(1)

    run(body())


def test_persistent_watches_tell_everything_until_they_are_removed(run, pair, outcome):
    async def body():
        one, other = pair
        node = f"{ROOT}/persistent"
        await other.create_node(node, 1)
        await one.connect()
        await one.watch_for_good(node, recursive=True)
        await other.create_node(f"{node}/a", 1)
        await other.create_node(f"{node}/a/b", 1)
        await other.delete_node(f"{node}/a/b")
        seen = [await one.next_notice(4) for _ in range(3)]
        assert seen == [
            Notice(CREATED, f"{node}/a"),
            Notice(CREATED, f"{node}/a/b"),
            Notice(DELETED, f"{node}/a/b"),
        ]
        await one.unwatch(node)
        await other.create_node(f"{node}/c", 1)
        await one.read("synced")
        assert (await outcome(one.unwatch(node))).code == "no-watch"

    run(body())


def test_nodes_with_a_time_to_live_and_containers(run, pair):
    async def body():
        one, _ = pair
        await one.create_container(f"{ROOT}/container")
        await one.create_node(f"{ROOT}/container/child", 1)
        await one.create_with_ttl(f"{ROOT}/short", 1, 500)
        await one.create_with_ttl(f"{ROOT}/long", 1, 600_000)
        await until(lambda: one.exists(f"{ROOT}/short"), lambda reply: reply.value is None)
        assert (await one.exists(f"{ROOT}/container")).value is not None
        await one.delete_node(f"{ROOT}/container/child")
        await until(lambda: one.exists(f"{ROOT}/container"), lambda reply: reply.value is None)
        assert (await one.exists(f"{ROOT}/long")).value is not None

    run(body())


def test_plain_reads_ask_the_server_alone(run, servers):
    async def body():
        plain = client_of(servers.nodes[0], reads="plain")
        await plain.write("p", 1)
        seen = await plain.read("p")
        assert seen.value == 1  # a session reads its own writes
        await plain.close()

    run(body())


def test_dumps_of_all_servers_agree(run, servers, pair):
    async def body():
        await pair[0].write("dumped", "here")
        dumps = await servers.system.dump(servers.cluster, 5)
        comparison = compare(dumps)
        assert comparison.differences == ()
        assert len(comparison.compared) == 3
        assert dumps[0].contents[f"{ROOT}/register/dumped"][0] == '"here"'

    run(body())


@pytest.mark.parametrize("once", [False, True])
def test_notices_come_before_the_answers_that_show_the_change(run, pair, outcome, once):
    """All that a watcher hears is in the order of its connection; a one-shot watch is set again by its read."""

    async def body():
        one, other = pair
        space, names = f"heed-{once}", ["a", "b"]
        made = [await other.set_name(space, "a", 1)]
        first = (await one.heed(space, names, 0.05, once)).value
        at = first["items"][0][1] if not once else first["items"][0][4]
        assert at >= made[0].version
        made += [await other.set_name(space, "a", 2), await other.set_name(space, "b", 3)]
        made += [await other.set_name(space, "a", None)]
        assert [reply.value for reply in made] == ["created", "changed", "created", "deleted"]
        items, names_told = [], []
        async with asyncio.timeout(5):
            while "b" not in names_told or ["read", "a", None, 0] not in [item[:4] for item in items]:
                heard = (await one.heed(space, names, 0.1, once)).value
                assert (heard["watch"], heard["once"]) == (first["watch"], once)
                items += heard["items"]
                names_told = [item[2] for item in items if item[0] == "told"]
        told = [item[1:] for item in items if item[0] == "told"]
        every = [
            ["changed", "a", made[1].version],
            ["created", "b", made[2].version],
            ["deleted", "a", made[3].version],
        ]
        # Before a watch was set again, one-shot watches may have missed the last one.
        assert told == every if not once else told[:2] == every[:2]
        assert (await outcome(other.set_name(space, "a", None))).code == "not-found"
        elsewhere = (await one.heed(f"{space}-2", names, 0.05, once)).value
        assert elsewhere["watch"] == first["watch"] + 1
        await other.set_name(space, "a", 5)
        assert all(
            item[0] != "told" for item in (await one.heed(f"{space}-2", names, 0.2, once)).value["items"]
        )
        one.drop()
        again = (await one.heed(space, names, 0.05, once)).value
        assert again["watch"] == first["watch"] + 2

    run(body())


def test_servers_without_watches_for_good_give_one_shot_ones(run, servers):
    async def body():
        old = client_of(servers.nodes[0], persistent=False)
        await old.set_name("heed-old", "a", 1)
        heard = (await old.heed("heed-old", ["a", "b"], 0.05, False)).value
        assert heard["once"]
        assert [item[1:4] + item[5:] for item in heard["items"][:3]] == [
            ["a", 1, heard["items"][0][3], True],
            ["b", None, 0, False],
            ["b", None, 0, True],
        ]
        await old.close()

    run(body())
