"""TLS and SASL: in clusters of our own, and on one that is already there, whose other nodes stay as they are."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from kazoo.protocol.serialization import Create, GetChildren2, GetData
from kazoo.security import ACL, Id

from quorate.harness.cluster.local import LocalCluster
from quorate.harness.core.outcome import Broken, OutcomeError
from quorate.harness.core.system import SystemOptions
from quorate.harness.core.test import Test
from quorate.harness.history import History
from quorate.harness.run import run
from quorate.harness.systems.access import Pems
from quorate.harness.systems.certificates import Authority
from quorate.harness.systems.zookeeper.client.access import Access
from quorate.harness.systems.zookeeper.client.caller import ClientOptions
from quorate.harness.systems.zookeeper.client.client import ZooKeeperClient
from quorate.harness.systems.zookeeper.server.system import ZooKeeper

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SECURED = {"tls": "yes", "auth": "yes"}


@pytest.mark.parametrize(
    ("workload", "faults", "settings"),
    [
        (("register",), ("kill", "partition"), SECURED),
        (("lease", "notices"), (), SECURED),
        (("register",), ("member",), SECURED),
        (("queue",), (), {"auth": "yes", "recipes": "kazoo"}),
    ],
)
def test_workloads_and_faults_are_as_without(tmp_path, workload, faults, settings):
    done = run(
        Test(
            system="zookeeper", workload=workload, faults=faults, fault_interval=2.5, time=12.0, cluster="local",
            store=str(tmp_path), settings=settings,
        )
    )  # fmt: skip
    assert done.verdict == "valid", done.results.reason
    codes = {event.error[0] for event in History.read(done.folder).events() if event.error}
    assert not codes & {"denied", "not-authenticated"}


@pytest.fixture(scope="module")
def theirs():
    """Two servers with TLS and users, and a node that is not ours; what stands on them, and how to be let in."""

    async def up():
        cluster = LocalCluster(f"q{uuid.uuid4().hex[:8]}", 2)
        await cluster.up()
        system = ZooKeeper(SystemOptions(settings=SECURED))
        await system.install(cluster)
        for node in cluster.nodes:
            await system.start(cluster, node)
        await system.wait_ready(cluster, 30.0)
        client = await system.client(cluster.nodes[:1], 4.0)
        await client.create_raw("/theirs", b"kept")
        await client.close()
        return cluster, system

    with asyncio.Runner() as runner:
        cluster, system = runner.run(up())
        try:
            yield tuple(f"{node.address}:2181" for node in cluster.nodes), system._access
        finally:
            runner.run(cluster.down())


@pytest.fixture
def files(theirs, tmp_path):
    """The settings with which a user of theirs comes in."""
    pems = theirs[1].pems
    for name, text in (("ca", pems.ca), ("cert", pems.cert), ("key", pems.key)):
        (tmp_path / f"{name}.pem").write_bytes(text)
    (tmp_path / "password").write_text(theirs[1].password + "\n")
    return {
        **{name: str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key")},
        "user": "quorate",
        "password_file": str(tmp_path / "password"),
    }


def ask(theirs, request, **changes):
    """Ask one server once; returns the answer's value, or what was raised."""

    async def body():
        places, access = theirs
        given = {name: getattr(access, name) for name in ("pems", "user", "password")} | changes
        client = ZooKeeperClient("test", {"n1": places[0]}, 4.0, ClientOptions(access=Access(**given)))
        try:
            async with client.operation("test") as link:
                return (await link.request(request)).value
        except OutcomeError as error:
            return type(error).__name__, error.code
        finally:
            await client.close()

    return asyncio.run(body())


@pytest.mark.parametrize("workload", [("register", "append"), ("lock", "set")])
def test_a_cluster_that_is_already_there_is_tested_below_a_node(theirs, files, tmp_path, workload):
    done = run(
        Test(
            system="zookeeper", cluster="running", endpoints=theirs[0], workload=workload, time=6.0,
            store=str(tmp_path / "store"), settings={"prefix": "/mine/", **files},
        )
    )  # fmt: skip
    assert done.verdict == "valid", done.results.reason
    assert "set up by somebody else" in (done.folder / "test.json").read_text()
    assert theirs[1].password not in (done.folder / "test.json").read_text()
    assert "mine" not in ask(theirs, GetChildren2("/", False))[0]
    assert ask(theirs, GetData("/theirs", False))[0] == b"kept"


def test_a_wrong_password_is_told_before_the_load(theirs, files, tmp_path):
    (tmp_path / "password").write_text("wrong\n")
    test = Test(
        system="zookeeper", cluster="running", endpoints=theirs[0], time=3.0, store=str(tmp_path / "store"),
        settings=files,
    )  # fmt: skip
    try:
        why = str(run(test).results.reason)
    except Broken as error:
        why = str(error)
    assert "not-authenticated" in why


def test_refused_credentials_are_failures(theirs):
    """Whoever is not let in has asked for nothing yet; an access list is looked at before a request is ordered."""
    mine = Create("/strangers", b"x", [ACL(31, Id("sasl", "somebody"))], 0)
    assert ask(theirs, mine, password="wrong") == ("Refused", "not-authenticated")
    assert ask(theirs, mine, user=None) == ("Refused", "not-authenticated")
    authority = Authority()
    pair = authority.issue("client")
    stranger = Pems(ca=authority.cert, cert=pair.cert, key=pair.key)
    assert ask(theirs, mine, pems=stranger) == ("Refused", "not-connected")
    assert ask(theirs, mine, pems=Pems()) == ("Refused", "not-connected")
    assert ask(theirs, mine) == "/strangers"
    assert ask(theirs, GetData("/strangers", False)) == ("Refused", "denied")
