"""On somebody else's servers nothing beyond the run's prefix is asked for."""

from __future__ import annotations

import asyncio

import pytest

from quorate.harness.core.outcome import Broken
from quorate.harness.systems.consul.client.access import Access
from quorate.harness.systems.consul.client.caller import ClientOptions
from quorate.harness.systems.consul.client.client import ConsulClient
from quorate.harness.systems.consul.server.adopted import below

FENCED = Access(prefix="mine/", fenced=True)


def kv(key):
    return {"KV": {"Verb": "set", "Key": key}}


@pytest.mark.parametrize(
    ("method", "path", "body", "outside"),
    [
        ("GET", "/v1/kv/mine/register/a?consistent", None, None),
        ("GET", "/v1/kv/minerals/a", None, "GET /v1/kv/minerals/a"),
        ("DELETE", "/v1/kv/?recurse", None, "DELETE /v1/kv/"),
        ("PUT", "/v1/txn", [kv("mine/a"), kv("mine/b")], None),
        ("PUT", "/v1/txn", [kv("mine/a"), kv("theirs")], "theirs"),
        ("PUT", "/v1/txn", [{"Service": {}}], "None"),
        ("PUT", "/v1/session/create", {}, None),
        ("GET", "/v1/agent/self", None, None),
        ("PUT", "/v1/agent/self", None, "PUT /v1/agent/self"),
        ("PUT", "/v1/agent/service/register", {}, "PUT /v1/agent/service/register"),
        ("PUT", "/v1/catalog/register", {}, "PUT /v1/catalog/register"),
    ],
)
def test_what_is_outside(method, path, body, outside):
    assert FENCED.outside(method, path, body) == outside
    assert Access().outside(method, path, body) is None


def test_a_request_beyond_it_is_an_error_and_is_not_sent():
    async def body():
        client = ConsulClient("c", {"n1": "127.0.0.1:1"}, 1.0, ClientOptions(access=FENCED))
        with pytest.raises(Broken, match="not below mine/"):
            await client.announce("space", "service", 1)
        await client.close()

    asyncio.run(body())


def test_adopted_servers_are_fenced_whatever_was_given():
    assert below(Access(prefix="mine/"), "run") == FENCED
    assert below(Access(prefix=""), "run") == Access(prefix="quorate/run/", fenced=True)
