"""TLS and access lists: in clusters of our own, and on one that is already there, whose other keys stay as they are."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
import uuid

import pytest

from quorate.harness.cluster.local import LocalCluster
from quorate.harness.core.outcome import Broken, OutcomeError, UsageError
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import Test
from quorate.harness.history import History
from quorate.harness.run import run
from quorate.harness.systems.consul.client.access import Access
from quorate.harness.systems.consul.client.caller import ClientOptions
from quorate.harness.systems.consul.client.client import ConsulClient
from quorate.harness.systems.consul.server.system import Consul

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SECURED = {"tls": "yes", "auth": "yes"}


@pytest.mark.parametrize(
    ("workload", "faults", "settings"),
    [
        (("register", "lock"), ("kill", "partition"), {"reads": "consistent"}),
        (("lease", "discovery"), (), {"revoke_share": "0.6"}),
        (("register",), ("member",), {"reads": "consistent"}),
    ],
)
def test_workloads_and_faults_are_as_without(tmp_path, workload, faults, settings):
    done = run(
        Test(
            system="consul",
            workload=workload,
            faults=faults,
            time=12.0,
            fault_interval=2.5,
            cluster="local",
            store=str(tmp_path),
            settings={**settings, **SECURED},
        )
    )
    assert done.verdict == "valid", done.results.reason
    refused = [
        event.error
        for event in History.read(done.folder).events()
        if event.error and event.error[0] == "denied"
    ]
    assert refused == [], "the clients' token lacks a right"


class Theirs:
    """A cluster with access lists that stands while the tests of this file use it; its owner may do all."""

    def __init__(self, endpoints, owner):
        self.endpoints = endpoints
        self.owner = owner

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://{self.endpoints[0]}{path}", data, {"X-Consul-Token": self.owner}, method=method
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read() or b"null")

    def token(self, rules, ttl=None):
        name = f"p-{uuid.uuid4().hex[:8]}"
        policy = self.ask("PUT", "/v1/acl/policy", {"Name": name, "Rules": rules})
        body = {"Policies": [{"ID": policy["ID"]}], **({"ExpirationTTL": ttl} if ttl else {})}
        secret = self.ask("PUT", "/v1/acl/token", body)["SecretID"]
        for place in self.endpoints:
            self.wait_known(place, secret)
        return secret

    @staticmethod
    def wait_known(place, secret):
        end = time.monotonic() + 10
        while True:
            request = urllib.request.Request(
                f"http://{place}/v1/acl/token/self?stale", headers={"X-Consul-Token": secret}
            )
            try:
                urllib.request.urlopen(request, timeout=5).close()
            except urllib.error.HTTPError:
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                return

    def keys(self):
        return self.ask("GET", "/v1/kv/?keys")


@pytest.fixture(scope="module")
def theirs():
    async def up():
        cluster = LocalCluster(f"q{uuid.uuid4().hex[:8]}", 2)
        await cluster.up()
        system = Consul(SystemOptions(settings={"auth": "yes"}))
        await system.install(cluster)
        for node in cluster.nodes:
            await system.start(cluster, node)
        await system.wait_ready(cluster, 30.0)
        return cluster, system

    loop = asyncio.new_event_loop()
    cluster, system = loop.run_until_complete(up())
    try:
        found = Theirs(tuple(f"{node.address}:8500" for node in cluster.nodes), system._access.token)
        found.ask("PUT", "/v1/kv/theirs/1", "kept")
        yield found
    finally:
        loop.run_until_complete(cluster.down())
        loop.close()


OWN_PREFIX = (
    'key_prefix "mine/" { policy = "write" }\nsession_prefix "" { policy = "write" }\n'
    'agent_prefix "" { policy = "read" }\nnode_prefix "" { policy = "read" }\n'
)


@pytest.mark.parametrize("workload", [("register", "append"), ("lock", "set")])
def test_a_cluster_that_is_already_there_is_tested_below_a_prefix(theirs, tmp_path, monkeypatch, workload):
    token = theirs.token(OWN_PREFIX)
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", token)
    done = run(
        Test(
            system="consul", cluster="running", endpoints=theirs.endpoints, workload=workload, time=4.0,
            store=str(tmp_path), settings={"prefix": "mine/", "reads": "consistent"},
        )
    )  # fmt: skip
    assert done.verdict == "valid", done.results.reason
    assert "set up by somebody else" in (done.folder / "test.json").read_text()
    assert token not in (done.folder / "test.json").read_text()
    assert theirs.keys() == ["theirs/1"]


@pytest.mark.parametrize(
    ("token", "prefix", "said"),
    [
        ("00000000-0000-0000-0000-000000000000", "mine/", "ACL not found"),
        (OWN_PREFIX, "theirs/", "Permission denied"),
        (None, "mine/", "Permission denied"),
    ],
)
def test_what_is_denied_is_told_before_the_load(theirs, tmp_path, monkeypatch, token, prefix, said):
    monkeypatch.delenv("CONSUL_HTTP_TOKEN", raising=False)
    if token is not None:
        given = theirs.token(token) if "{" in token else token
        (tmp_path / "token").write_text(given + "\n")
    settings = {"prefix": prefix, **({"token_file": str(tmp_path / "token")} if token else {})}
    test = Test(
        system="consul", cluster="running", endpoints=theirs.endpoints, time=3.0, store=str(tmp_path / "s"),
        settings=settings,
    )  # fmt: skip
    try:
        why = str(run(test).results.reason)
    except Broken as error:
        why = str(error)
    assert said in why or "HTTP 403" in why
    assert theirs.keys() == ["theirs/1"]


def test_services_are_not_registered_with_somebody_elses_catalogue(tmp_path):
    test = Test(
        system="consul", cluster="running", endpoints=("127.0.0.1:8500",), workload=("discovery",),
        store=str(tmp_path),
    )  # fmt: skip
    with pytest.raises(UsageError, match="registers services"):
        run(test)


async def _codes(place, token, calls):
    client = ConsulClient("test", {"n1": place}, 4.0, ClientOptions(access=Access(token=token)))
    found = []
    try:
        for call in calls:
            try:
                await call(client)
                found.append("ok")
            except OutcomeError as error:
                found.append((type(error).__name__, error.code))
    finally:
        await client.close()
    return found


def test_refused_and_expired_credentials_are_failures(theirs):
    """Access lists are looked at before anything is proposed, so the outcome is certain."""
    writes = (lambda client: client.write("a", 1), lambda client: client.read("a"))
    unknown = str(uuid.uuid4())
    rights = theirs.token('key_prefix "quorate/" { policy = "read" }')
    passing = theirs.token('key_prefix "quorate/" { policy = "write" }', ttl="60s")
    place = theirs.endpoints[0]
    assert asyncio.run(_codes(place, unknown, writes)) == [("Refused", "denied")] * 2
    assert asyncio.run(_codes(place, rights, writes)) == [("Refused", "denied"), "ok"]
    assert asyncio.run(_codes(place, passing, writes)) == ["ok", "ok"]
    own = theirs.ask("GET", "/v1/acl/tokens")
    (accessor,) = [one["AccessorID"] for one in own if one.get("ExpirationTime")]
    theirs.ask("DELETE", f"/v1/acl/token/{accessor}")
    end = time.monotonic() + 10
    # A token that is gone, by its time or by its owner, is unknown; servers may keep it for a moment.
    while (codes := asyncio.run(_codes(place, passing, writes))) != [("Refused", "denied")] * 2:
        assert time.monotonic() < end, codes
        time.sleep(0.2)
    theirs.ask("DELETE", "/v1/kv/quorate/?recurse")
