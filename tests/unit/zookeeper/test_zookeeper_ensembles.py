"""ZooKeeper's ensembles as text, who may change them, and where its files can be corrupted."""

from __future__ import annotations

import asyncio
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quorate.harness.core.fault import make
from quorate.harness.core.membership import LEARNER, VOTER
from quorate.harness.core.node import Completed
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import NodeStatus, SystemOptions
from quorate.harness.core.test import UsageError
from quorate.harness.systems.zookeeper import ZooKeeper
from quorate.harness.systems.zookeeper.operations.damage import DamageOfZooKeeper
from quorate.harness.systems.zookeeper.operations.ensemble import Ensemble, Seat, first, read
from quorate.harness.systems.zookeeper.server import health
from quorate.harness.systems.zookeeper.server.configuring import dynamic_files
from quorate.harness.systems.zookeeper.server.settings import ZooKeeperSettings

NODES: Any = [SimpleNamespace(name=f"n{n}", address=f"10.0.0.{n}", directory=f"/run/n{n}") for n in (1, 2, 3)]


def test_with_tls_no_server_has_a_port_for_plain_text():
    told = Ensemble(first(NODES[:2]).seats)
    assert not any(";" in line for line in told.lines(plain=False))
    assert read("\n".join([*told.lines(plain=False), "version=0"])) == told


def test_an_ensemble_is_read_as_it_is_written():
    told = Ensemble((*first(NODES[:2]).seats, Seat(3, "10.0.0.3", LEARNER)))
    lines = told.lines(plain=True)
    assert lines[2] == "server.3=10.0.0.3:2888:3888:observer;10.0.0.3:2181"
    assert read("\n".join([*lines, "version=1000002f3"])) == Ensemble(told.seats, 0x1000002F3)
    assert [told.seat_of(node).role for node in NODES] == [VOTER, VOTER, LEARNER]
    assert read("version=0\n").seat_of(NODES[0]) is None


def test_a_changing_ensemble_tells_the_clients_address_in_one_place_only():
    files = dynamic_files(NODES[0], first(NODES), ZooKeeperSettings())
    assert "clientPort" not in files["conf/zoo.cfg"]
    assert "server." not in files["conf/zoo.cfg"]
    assert files["conf/zoo.cfg.dynamic"].count(";10.0.0.") == len(NODES)


@pytest.mark.parametrize(("release", "able"), [("3.4.14", False), ("3.8.6,3.4.14", False), ("3.5.10", True)])
def test_ensembles_of_old_releases_cannot_change(release: str, *, able: bool):
    system = ZooKeeper(SystemOptions(release=release))
    if able:
        make("member", {}).suits(system)
        return
    with pytest.raises(UsageError, match=r"3\.4\.14 cannot change its ensemble"):
        make("member", {}).suits(system)


def test_who_does_not_vote_yet_is_no_follower():
    told = [
        NodeStatus(name, healthy=True, role=role) for name, role in (("n1", "leader"), ("n2", "follower"))
    ]
    assert [one.role for one in health.voting(told, without={"n2"})] == ["leader", "learner"]
    assert health.voting(told, without=set()) == told


class Disk:
    """A node whose one file is given."""

    name, directory = "n1", "/run/n1"

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def run(self, *_argv: Any, **_options: Any) -> Completed:
        return Completed(0, "/run/n1/file\n", "")

    async def get(self, _source: str, target: Path) -> None:
        await asyncio.to_thread(target.write_bytes, self.data)


def a_log(*transactions: bytes) -> bytes:
    records = (struct.pack("!qi", zlib.adler32(one), len(one)) + one + b"B" for one in transactions)
    return b"ZKLG" + struct.pack("!iq", 2, 0) + b"".join(records)


@pytest.mark.parametrize("at", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["log-tail", "log-bit", "log-cut"])
def test_a_log_is_hurt_within_what_was_written(kind: str, at: float):
    log = a_log(b"one" * 9, b"two" * 30, b"three" * 5)
    disk: Any = Disk(log + bytes(1000))
    corruption = asyncio.run(DamageOfZooKeeper(lambda node: node.directory).find(disk, kind, at, 20))
    if corruption.new is None:
        assert 16 + 12 < corruption.offset < len(log)
        return
    assert corruption.offset + len(corruption.new) <= len(log)
    hurt = log[: corruption.offset] + corruption.new + log[corruption.offset + len(corruption.new) :]
    assert hurt != log
    assert len(hurt) == len(log)


def test_an_empty_log_is_not_hurt():
    disk: Any = Disk(a_log() + bytes(1000))
    with pytest.raises(Broken, match="no transactions yet"):
        asyncio.run(DamageOfZooKeeper(lambda node: node.directory).find(disk, "log-bit", 0.5, 20))
