"""What kazoo's errors mean, and its blocking calls in a thread: one test a row, without a server."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from kazoo.exceptions import (
    BadVersionError,
    ConnectionClosedError,
    ConnectionLoss,
    LockTimeout,
    OperationTimeoutError,
    QuotaExceededError,
    SessionExpiredError,
)
from kazoo.protocol.states import KazooState
from kazoo.retry import ForceRetryError, KazooRetry, RetryFailedError

from quorate.harness.core.outcome import OutcomeError, Refused, Unknown
from quorate.harness.core.settings import read
from quorate.harness.core.test import UsageError
from quorate.harness.systems.zookeeper.client.caller import ClientOptions
from quorate.harness.systems.zookeeper.client.kazoo_session import KazooSession, outcome_of
from quorate.harness.systems.zookeeper.client.threads import Worker
from quorate.harness.systems.zookeeper.server.settings import ZooKeeperSettings


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ForceRetryError(), Refused, "conflict"),
        (LockTimeout(), Refused, "held"),
        (QuotaExceededError(), Refused, "over-quota"),
        (ConnectionLoss(), Unknown, "connection-lost"),
        (SessionExpiredError(), Unknown, "session-expired"),
        (OperationTimeoutError(), Unknown, "server-timeout"),
        (ConnectionClosedError(), Unknown, "closed"),
        (BadVersionError(), Unknown, "kazoo-error"),
        (ValueError("odd"), Unknown, "unknown-error"),
    ],
)
def test_every_error_has_a_meaning(error, kind, code):
    found = outcome_of(error, "increment", reads=False)
    assert (type(found), found.code) == (kind, code)
    if kind is Unknown:
        assert type(outcome_of(error, "value", reads=True)) is Refused, "a lost read changed nothing"


@pytest.mark.parametrize(
    ("cause", "code"), [(ForceRetryError(), "conflict"), (ConnectionLoss(), "connection-lost")]
)
def test_retries_given_up_mean_what_their_last_failure_means(cause, code):
    def fail() -> None:
        raise cause

    with pytest.raises(RetryFailedError) as caught:
        KazooRetry(max_tries=2, delay=0.001)(fail)
    assert outcome_of(caught.value, "increment", reads=False).code == code


def test_a_late_call_keeps_the_next_one_from_being_begun():
    async def body() -> None:
        worker, gate, begun = Worker("test"), threading.Event(), []
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            await worker.run(gate.wait, loop.time() + 0.05)
        with pytest.raises(Refused, match="not-connected"):
            await worker.run(lambda: begun.append("too early"), loop.time() + 0.05)
        gate.set()
        assert await worker.run(lambda: "third", loop.time() + 20) == "third"
        assert begun == []
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 / 0, loop.time() + 20)
        worker.close()

    asyncio.run(body())


def test_the_loop_goes_on_while_a_call_blocks():
    async def body() -> None:
        worker, ticks = Worker("test"), 0
        loop = asyncio.get_running_loop()
        call = asyncio.create_task(worker.run(lambda: time.sleep(0.2), loop.time() + 20))
        while not call.done():
            await asyncio.sleep(0)
            ticks += 1
        assert ticks > 100
        worker.close()

    asyncio.run(body())


def test_recipes_are_chosen_by_name():
    assert read(ZooKeeperSettings, {}).recipes == "own"
    assert read(ZooKeeperSettings, {"recipes": "kazoo-retrying"}).recipes == "kazoo-retrying"
    with pytest.raises(UsageError, match="own, kazoo, kazoo-retrying"):
        read(ZooKeeperSettings, {"recipes": "curator"})


def test_a_recipe_that_repeated_itself_after_a_lost_connection_is_unknown_whatever_its_last_try_says(
    monkeypatch,
):
    monkeypatch.setattr(KazooSession, "_connect", lambda _self, _seconds: None)

    async def body() -> None:
        session = KazooSession("one", {"n1": "127.0.0.1"}, 2.0, ClientOptions(), retrying=True)

        def outrun() -> None:
            raise ForceRetryError

        def lost_and_outrun() -> None:
            session._changed(KazooState.SUSPENDED)
            raise ForceRetryError

        for call, reads, kind in (
            (outrun, False, Refused),
            (lost_and_outrun, False, Unknown),
            (lost_and_outrun, True, Refused),
        ):
            with pytest.raises(OutcomeError) as caught:
                await session.operation("dequeue", call, reads=reads)
            assert type(caught.value) is kind
        await session.close()

    asyncio.run(body())
