"""On somebody else's servers no node beyond the run's root is asked for."""

from __future__ import annotations

import pytest
from kazoo.protocol.serialization import (
    SASL,
    CheckVersion,
    Create,
    Delete,
    Exists,
    GetChildren2,
    GetData,
    Reconfig,
    SetData,
    Sync,
    Transaction,
)

from quorate.harness.systems.zookeeper.client.access import Access
from quorate.harness.systems.zookeeper.client.granted import CloseSession
from quorate.harness.systems.zookeeper.client.records import AddWatch, outside
from quorate.harness.systems.zookeeper.server.adopted import below


@pytest.mark.parametrize(
    ("record", "node"),
    [
        (Create("/a/mine", b"", [], 0), None),
        (Create("/a/mine/b", b"", [], 0), None),
        (Create("/a", b"", [], 0), None),  # a missing parent
        (Create("/b", b"", [], 0), "/b"),
        (Delete("/a", -1), "/a"),
        (Delete("/a/mine", -1), None),
        (SetData("/a/minerals", b"", -1), "/a/minerals"),
        (GetData("/zookeeper/config", False), "/zookeeper/config"),
        (GetChildren2("/", False), "/"),
        (Exists("/a/mine/b", True), None),
        (Sync("/a/mine"), None),
        (AddWatch("/a", recursive=True), "/a"),
        (Transaction([CheckVersion("/a/mine/b", 1), SetData("/a/mine/b", b"", 1)]), None),
        (Transaction([CheckVersion("/a/mine/b", 1), Delete("/theirs", -1)]), "/theirs"),
        (Reconfig(None, "1", None, -1), "Reconfig"),
        (SASL(b""), None),
        (CloseSession(), None),
    ],
)
def test_what_is_outside(record, node):
    assert outside(record, "/a/mine") == node


def test_adopted_servers_are_fenced_whatever_was_given():
    assert below(Access(root="/a/mine"), "run") == Access(root="/a/mine", fenced=True)
    assert below(Access(root=""), "run") == Access(root="/quorate-run", fenced=True)
