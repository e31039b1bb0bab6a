"""Values at the sizes that are asked for: what is decoded is what was stored, and a compare finds its bytes again."""

from __future__ import annotations

import statistics
from random import Random

import msgspec
import pytest

from quorate.harness.core.settings import read
from quorate.harness.core.test import Test, UsageError
from quorate.harness.hunt.space import LARGE, STORES, Evenly, space_of, why_not
from quorate.harness.run.filling import MOST
from quorate.harness.systems.consul.server.settings import ConsulSettings
from quorate.harness.systems.etcd.server.settings import EtcdSettings
from quorate.harness.systems.values import Sizes, encode, told
from quorate.harness.systems.zookeeper.server.settings import ZooKeeperSettings


@pytest.mark.parametrize("value", [0, None, "text ", [1, [2, 3]], {"a": " "}])
def test_blanks_change_no_value(value):
    for sizes in (Sizes(), Sizes(1, 1), Sizes(500, 500), Sizes(10, 100_000)):
        stored = sizes.padded(encode(value))
        assert msgspec.json.decode(stored) == value
        assert stored == sizes.padded(encode(value))
    assert len(Sizes(500, 500).padded(encode(value))) == 500
    assert len(Sizes(500, 500).padded(encode(value), parts=4)) == 125
    assert Sizes().padded(encode(value)) == encode(value)


def test_sizes_are_spread_evenly_on_a_logarithmic_scale():
    found = [len(Sizes(10, 100_000).padded(encode(n))) for n in range(2000)]
    assert min(found) >= 10
    assert max(found) <= 100_000
    assert 700 < statistics.median(found) < 1400  # the geometric mean is 1,000


@pytest.mark.parametrize("settings", [EtcdSettings, ZooKeeperSettings, ConsulSettings])
@pytest.mark.parametrize("wrong", ["", "large", "0B", "2KB..1KB", "1KB..2KB..3KB", "20MB"])
def test_what_is_no_size_is_refused(settings, wrong):
    with pytest.raises(UsageError, match="value_size"):
        read(settings, {"value_size": wrong})


def test_clients_are_told_the_sizes():
    assert read(EtcdSettings, {"value_size": "10B..1MB"}).client.sizes == Sizes(10, 1_000_000)
    assert read(ZooKeeperSettings, {"value_size": "1KB"}).client.sizes == Sizes(1000, 1000)
    assert read(ConsulSettings, {"value_size": "300KB"}).client.sizes == Sizes(300_000, 300_000)
    with pytest.raises(UsageError, match="350KB"):  # a transaction of Consul's ends at 512 KiB, in base64
        read(ConsulSettings, {"value_size": "1MB"})


def test_long_values_are_kept_by_what_tells_them_apart():
    assert told(b"17") == "17"
    one, other = told(b"17" + b" " * 5000), told(b"17" + b" " * 4999 + b"x")
    assert one != other
    assert one.startswith("17… (5,002 bytes, digest ")


@pytest.mark.parametrize("wrong", ["nothing", "0B", f"{MOST + 1}"])
def test_a_store_of_no_size_is_refused(wrong):
    assert "store_size" in (why_not(Test(system="etcd", settings={"store_size": wrong})) or "")


def test_hunts_draw_sizes_that_the_service_takes():
    space = space_of(Test(system="consul"), workloads=("register",), faults=("kill",))
    drawn = [space.draw(Random(seed), Evenly()).extra for seed in range(80)]
    assert {extra.get("store_size") for extra in drawn} == {None, *STORES}
    assert {extra.get("value_size") for extra in drawn} == {None, LARGE[0]}
