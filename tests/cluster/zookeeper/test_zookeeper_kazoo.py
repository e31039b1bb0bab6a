"""kazoo's recipes on real servers: what they do, how they end when a server is frozen or dead, and lost sessions."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading

import pytest
from kazoo.protocol.states import KazooState

from quorate import Test
from quorate import run as run_test
from quorate.harness.core.capabilities import Client, Counters, Locks, Queues
from quorate.harness.core.outcome import OutcomeError, Refused, Unknown
from quorate.harness.systems.zookeeper.client.caller import ClientOptions
from quorate.harness.systems.zookeeper.client.kazoo_client import KazooRecipes

SESSION_S = 2


def client_of(*nodes, timeout_s=8.0, session_ms=15_000, name="one") -> KazooRecipes:
    addresses = {node.name: node.address for node in nodes}
    return KazooRecipes(name, addresses, timeout_s, ClientOptions(session_ms=session_ms))


@pytest.fixture(name="pair")
def pair_fixture(run, servers):
    clients = [client_of(node, name=f"of-{node.name}") for node in servers.nodes[:2]]
    yield clients
    for client in clients:
        run(client.close())


@pytest.mark.parametrize("capability", [Client, Locks, Queues, Counters])
def test_it_offers_what_workloads_ask_for(pair, capability):
    assert isinstance(pair[0], capability)


def test_a_lock_is_waited_for_in_order_and_its_token_grows(run, pair, outcome):
    async def body() -> None:
        one, other = pair
        first = await one.acquire("order")
        waiting = asyncio.create_task(other.acquire("order"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await one.release("order")
        second = await waiting
        assert second.value > first.value
        assert (await outcome(one.release("order"))).code == "not-held"
        await other.release("order")
        assert (await one.acquire("order")).value > second.value, "the same lock again"
        await one.release("order")

    run(body())


def test_who_waits_in_vain_leaves_the_queue(run, servers, pair, outcome):
    async def body() -> None:
        one, _ = pair
        late = client_of(servers.nodes[1], timeout_s=1.0, name="late")
        await one.acquire("vain")
        try:
            await late.operation("warm", lambda: None)
        except OutcomeError:
            await asyncio.sleep(1)
        refused = await outcome(late.acquire("vain"))
        assert (type(refused), refused.code) == (Refused, "held")
        assert (
            len(await one.operation("look", lambda: one.kazoo.get_children("/quorate/kazoo-lock/vain"))) == 1
        )
        await one.release("vain")
        await late.close()

    run(body())


def test_queues_are_in_order_and_empty_is_none(run, pair):
    async def body() -> None:
        one, other = pair
        assert (await one.dequeue("q")).value is None
        for value in (3, 1, 2):
            await one.enqueue("q", value)
        assert [(await client.dequeue("q")).value for client in (other, one, other)] == [3, 1, 2]
        assert (await one.dequeue("q")).value is None

    run(body())


def test_nothing_is_lost_when_many_count_at_once(run, pair):
    async def body() -> None:
        async def count(client: KazooRecipes) -> int:
            done = 0
            for _ in range(20):
                with contextlib.suppress(Refused):  # contention; whatever else it is, the sum shows it
                    await client.increment("many", 1)
                    done += 1
            return done

        done = sum(await asyncio.gather(*(count(client) for client in pair)))
        assert done > 20
        assert [(await client.value("many")).value for client in pair] == [done, done]

    run(body())


def test_the_first_candidate_leads_until_it_resigns(run, pair, outcome):
    async def body() -> None:
        one, other = pair
        assert (await outcome(other.leader("chair"))).code == "nobody-elected"
        first = await one.campaign("chair", "Ada")
        assert (await other.leader("chair")).value == ["Ada", first.value]
        waiting = asyncio.create_task(other.campaign("chair", "Bob"))
        await one.proclaim("chair", "Ada the first")
        assert (await one.leader("chair")).value == ["Ada the first", first.value]
        assert not waiting.done()
        await one.resign("chair")
        second = await waiting
        assert second.value > first.value
        assert (await one.leader("chair")).value == ["Bob", second.value]
        assert (await outcome(one.resign("chair"))).code == "not-elected"
        await other.resign("chair")

    run(body())


def test_a_frozen_server_leaves_changes_unknown_and_reads_unread(run, servers, outcome):
    async def body() -> None:
        node = await servers.follower()
        changing, reading = (client_of(node, timeout_s=2.0, name=name) for name in ("changing", "reading"))
        for client in (changing, reading):
            await servers.ready()
            await client.value("frozen")
        await node.signal("zookeeper", signal.SIGSTOP)
        try:
            unknown, unread = await asyncio.gather(
                outcome(changing.increment("frozen", 1)), outcome(reading.value("frozen"))
            )
            assert (type(unknown), unknown.code) == (Unknown, "timeout")
            assert (type(unread), unread.code) == (Refused, "unread")
            next_ = await outcome(reading.increment("frozen", 1))
            assert (type(next_), next_.code) == (Refused, "not-connected"), "its thread is not free"
            async with asyncio.timeout(20):
                await asyncio.gather(changing.close(), reading.close())
        finally:
            await servers.heal()

    run(body())


def test_a_dead_server_refuses_and_nothing_was_sent(run, servers, outcome):
    async def body() -> None:
        node = await servers.follower()
        await node.signal("zookeeper", signal.SIGKILL)
        try:
            client = client_of(node, timeout_s=1.0)
            refused = await outcome(client.increment("dead", 1))
            assert (type(refused), refused.code) == (Refused, "not-connected")
            await client.close()
        finally:
            await servers.restart(node)

    run(body())


def test_what_could_not_be_given_back_is_held_still(run, servers, outcome):
    """A release that was never sent changes nothing: the next one gives the lock back, and none had it meanwhile."""

    async def body() -> None:
        node = await servers.follower()
        holder = client_of(node, timeout_s=1.0, session_ms=30_000, name="holder")
        await holder.operation("warm", lambda: None)
        lock = await holder.acquire("kept")
        term = await holder.campaign("kept", "me")
        await node.signal("zookeeper", signal.SIGKILL)
        try:
            for call in (holder.release, holder.release, holder.resign, holder.resign):
                refused = await outcome(call("kept"))
                assert (type(refused), refused.code) == (Refused, "not-connected")
        finally:
            await servers.restart(node)
        holder.timeout_s = 8.0
        await holder.release("kept")
        assert (await holder.acquire("kept")).value > lock.value
        assert (await holder.proclaim("kept", "me again")).value == term.value
        await holder.resign("kept")
        await holder.close()

    run(body())


def test_a_server_killed_with_a_recipe_in_flight_leaves_changes_unknown_and_reads_unread(
    run, servers, outcome
):
    async def body() -> None:
        node = await servers.follower()
        changing, reading = (client_of(node, name=name) for name in ("changing", "reading"))
        before = (await changing.value("reset")).value
        await reading.value("reset")
        await node.signal("zookeeper", signal.SIGSTOP)
        calls = (changing.increment("reset", 1), reading.value("reset"))
        ends = [asyncio.create_task(outcome(call)) for call in calls]
        await asyncio.sleep(0.3)
        await node.signal("zookeeper", signal.SIGKILL)
        unknown, unread = [await end for end in ends]
        await servers.restart(node)
        assert (type(unknown), unknown.code) == (Unknown, "connection-lost"), unknown.text
        assert (type(unread), unread.code) == (Refused, "unread"), unread.text
        assert (await counted(reading, "reset")) - before in {0, 1}
        await asyncio.gather(changing.close(), reading.close())

    run(body())


async def counted(client: KazooRecipes, key: str) -> int:
    """The sum, once kazoo is connected again."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OutcomeError):
                return (await client.value(key)).value
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("alone", ["cut-off", "others-frozen"])
def test_a_leader_without_followers_leaves_changes_unknown_and_then_takes_nobody(
    run, servers, outcome, alone
):
    async def body() -> None:
        leader = await servers.leader()
        others = [node for node in servers.nodes if node is not leader]
        client, reading = (client_of(leader, timeout_s=4.0, name=name) for name in ("one", "reading"))
        before = (await client.value(alone)).value
        await reading.value(alone)
        if alone == "cut-off":
            await servers.cut_off(leader)
        else:
            for other in others:
                await other.signal("zookeeper", signal.SIGSTOP)
        try:
            lost = await outcome(client.increment(alone, 1))
            late = [await outcome(call) for call in (client.increment(alone, 2), reading.value(alone))]
        finally:
            await servers.heal()
        assert (type(lost), lost.code) == (Unknown, "connection-lost"), lost.text
        for refused in late:
            assert (type(refused), refused.code) == (Refused, "not-connected"), refused.text
        assert (await counted(client, alone)) - before in {0, 1}
        await asyncio.gather(client.close(), reading.close())

    run(body())


def test_what_is_too_large_is_unknown_though_nothing_happened(run, pair, outcome):
    async def body() -> None:
        one, other = pair
        unknown = await outcome(one.enqueue("large", "1" * 2_000_000))
        assert isinstance(unknown, Unknown)
        assert unknown.code in {"connection-lost", "timeout"}, unknown.text
        assert (await other.dequeue("large")).value is None

    run(body())


def test_what_goes_over_a_quota_is_refused(run, pair, outcome):
    async def body() -> None:
        one, other = pair
        await one.increment("quota", 10)
        node, limits = "/quorate/kazoo-counter/quota", b"count=-1,bytes=-1;byteHardLimit=3;countHardLimit=-1"

        def limit() -> None:
            one.kazoo.ensure_path(f"/zookeeper/quota{node}")
            one.kazoo.create(f"/zookeeper/quota{node}/zookeeper_stats", b"count=1,bytes=2")
            one.kazoo.create(f"/zookeeper/quota{node}/zookeeper_limits", limits)

        await one.operation("limit", limit)
        refused = await outcome(one.increment("quota", 1_000_000))
        assert (type(refused), refused.code) == (Refused, "over-quota"), refused.text
        assert (await other.value("quota")).value == 10

    run(body())


def test_who_is_always_outrun_is_refused(run, servers, pair, outcome):
    """The version is another each time, and kazoo tries again until the time is over."""

    async def body() -> None:
        slow, fast = client_of(servers.nodes[2], timeout_s=2.0, name="slow"), pair[0]
        for client in (slow, fast):
            await client.value("outrun")
        read, others = slow.kazoo.get, 0

        def outrun(path: str) -> object:
            nonlocal others
            found = read(path)
            fast.kazoo.Counter(path).__add__(1)
            others += 1
            return found

        slow.kazoo.get = outrun
        refused = await outcome(slow.increment("outrun", 1000))
        assert (type(refused), refused.code) == (Refused, "conflict"), refused.text
        assert others > 1
        assert (await fast.value("outrun")).value == others
        await slow.close()

    run(body())


def test_a_candidate_whose_node_was_deleted_proclaims_nothing(run, pair, outcome):
    async def body() -> None:
        one, other = pair
        await one.campaign("deleted", "Ada")
        await other.operation(
            "delete", lambda: other.kazoo.delete("/quorate/kazoo-election/deleted", recursive=True)
        )
        refused = await outcome(one.proclaim("deleted", "Ada still"))
        assert (type(refused), refused.code) == (Refused, "not-elected"), refused.text
        assert (await outcome(other.leader("deleted"))).code == "nobody-elected"

    run(body())


def test_a_lock_whose_session_was_lost_is_not_held_any_more(run, servers, outcome):
    """kazoo reports it by the state LOST, which comes with the next connection."""

    async def body() -> None:
        node = await servers.follower()
        other = next(each for each in servers.nodes if each is not node)
        holder = client_of(node, timeout_s=20.0, session_ms=SESSION_S * 1000, name="holder")
        heir = client_of(other, timeout_s=20.0, name="heir")
        first = await holder.acquire("lost")
        lost = threading.Event()
        holder.kazoo.add_listener(lambda state: lost.set() if state == KazooState.LOST else None)
        await heir.value("lost")
        await node.signal("zookeeper", signal.SIGSTOP)
        try:
            second = await heir.acquire("lost")  # once the session has expired
            assert second.value > first.value
        finally:
            await servers.heal()
        await holder.operation("wait", lost.wait)
        assert holder.losses == 1
        assert (await outcome(holder.release("lost"))).code == "not-held"
        await heir.release("lost")
        assert (await holder.acquire("lost")).value > second.value, "with a session of its own again"
        await holder.close()
        await heir.close()

    run(body())


def test_the_workloads_run_on_them(tmp_path):
    done = run_test(
        Test(
            system="zookeeper@3.9.4", workload=("lock", "queue", "counter"), faults=("kill",), cluster="local",
            clients=12, time=12.0, fault_interval=3.0, seed=4, store=str(tmp_path), settings={"recipes": "kazoo"},
        )
    )  # fmt: skip
    verdicts = {each.guarantee.partition(":")[0]: each.verdict for each in done.results.guarantees}
    assert done.exit_code in {0, 2}, done.results.reason
    assert {verdicts["lock"], verdicts["counter"]} == {"valid"}, "a queue may hold too many unknown dequeues"
