"""Release archives against a local server of the vendors' layout: verified, resumed, refused."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pysequoia
import pytest

from quorate.harness.core import platform as platforms
from quorate.harness.core.outcome import Broken
from quorate.harness.core.platform import Platform, architecture
from quorate.harness.systems.releases import cache, download, layouts, signature
from quorate.harness.systems.releases.archive import Archive, _listed, checksum_in
from quorate.harness.systems.releases.catalogue import SYSTEMS, Catalogue
from quorate.harness.systems.releases.resolve import (
    list_releases,
    resolve,
    understood,
    unobtainable,
    unpublished,
)

_spec = importlib.util.spec_from_file_location("vendors_of_releases", Path(__file__).parent / "vendors.py")
assert _spec is not None
assert _spec.loader is not None
vendors_module = importlib.util.module_from_spec(_spec)
sys.modules["vendors_of_releases"] = vendors_module
_spec.loader.exec_module(vendors_module)

LAYOUTS = {"etcd": layouts.ETCD, "consul": layouts.CONSUL, "zookeeper": layouts.ZOOKEEPER}


@pytest.fixture
def vendors(monkeypatch, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    here = vendors_module.Vendors(served)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("QUORATE_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr(platforms, "here", lambda: Platform("linux", "amd64"))
    (tmp_path / "keys").mkdir()
    for layout in LAYOUTS.values():
        monkeypatch.setenv(layout.setting, here.url)
        monkeypatch.setitem(SYSTEMS, layout.system, Catalogue(ways=(Archive(layout),), defaults=()))
    for asked in (_listed, download.unreachable):
        asked.cache_clear()
    yield here
    here.close()
    for asked in (_listed, download.unreachable):
        asked.cache_clear()


def trust(tmp_path, system, key):
    (tmp_path / "keys" / f"{system}.asc").write_bytes(bytes(str(key.extract_certificate()), "ascii"))


def quiet(_):
    pass


def test_etcd_comes_from_its_archive(vendors):
    vendors.etcd()
    server = resolve("etcd", "3.6.16", progress=quiet)
    assert server.binary.read_bytes().startswith(b"etcd binary")
    assert server.binary.stat().st_mode & 0o111
    assert (
        server.how == f"from the release archive at {vendors.url}, sha256 verified, no signature is published"
    )
    assert not list((cache.root() / "downloads").iterdir()), "the archive itself is not kept"


def test_a_cut_transfer_is_resumed(vendors):
    path = vendors.etcd()
    vendors.server.cuts[:] = [20000, 30000]
    told = []
    resolve("etcd", "3.6.16", progress=told.append)
    assert vendors.ranges_asked == ["bytes=16384-", "bytes=40960-"]
    assert sum("going on" in line for line in told) == 2
    assert path.stat().st_size > 40960


def test_the_next_process_goes_on_where_the_last_was_cut(vendors, monkeypatch):
    vendors.etcd()
    monkeypatch.setattr(download, "_TRIES", 1)
    monkeypatch.setattr(download, "_PAUSE_S", 0.0)
    vendors.server.cuts[:] = [20000, 0]
    with pytest.raises(Broken, match=r"etcd-v3\.6\.16-linux-amd64\.tar\.gz"):
        resolve("etcd", "3.6.16", progress=quiet)
    vendors.server.cuts.clear()
    resolve("etcd", "3.6.16", progress=quiet)
    assert vendors.ranges_asked[-1] == "bytes=16384-"


def test_a_server_without_ranges_sends_all_again(vendors):
    vendors.etcd()
    vendors.server.cuts[:] = [20000]
    vendors.server.ranges = False
    assert resolve("etcd", "3.6.16", progress=quiet).binary.stat().st_size == 12 * 9000


def test_a_file_that_changed_meanwhile_is_begun_anew(vendors, monkeypatch):
    vendors.etcd()
    monkeypatch.setattr(download, "_TRIES", 1)
    vendors.server.cuts[:] = [20000, 0]
    with pytest.raises(Broken):
        resolve("etcd", "3.6.16", progress=quiet)
    vendors.server.cuts.clear()
    vendors.etcd(content=b"other binary" * 9000)
    assert resolve("etcd", "3.6.16", progress=quiet).binary.read_bytes().startswith(b"other binary")


def test_a_wrong_checksum_is_refused_told_and_thrown_away(vendors):
    path = vendors.etcd()
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    told = []
    with pytest.raises(Broken, match=r"has sha256 .* as published"):
        resolve("etcd", "3.6.16", progress=told.append)
    assert "it is not used" in told[-1]
    assert not cache.is_cached("etcd", "3.6.16")
    assert not list((cache.root() / "downloads").iterdir())
    vendors.etcd()
    resolve("etcd", "3.6.16", progress=quiet)


def test_checksums_that_do_not_name_the_file_are_refused(vendors):
    vendors.etcd()
    vendors.put("v3.6.16/SHA256SUMS", b"0" * 64 + b"  other\n")
    with pytest.raises(Broken, match="do not name"):
        resolve("etcd", "3.6.16", progress=quiet)


def test_consul_is_signed_by_a_trusted_key(vendors, tmp_path):
    vendors.consul()
    trust(tmp_path, "consul", vendors.key)
    server = resolve("consul", "1.19.2", progress=quiet)
    assert server.binary.read_bytes() == b"consul binary"
    assert server.how.endswith(f"signed by {vendors.key.extract_certificate().fingerprint}")


@pytest.mark.parametrize("system", ["consul", "zookeeper"])
def test_a_strangers_signature_is_refused(vendors, tmp_path, system):
    stranger = pysequoia.Tsk.generate("Stranger <stranger@example.org>")
    vendors.consul(signer=stranger)
    vendors.zookeeper(signer=stranger)
    trust(tmp_path, system, vendors.key)
    release = {"consul": "1.19.2", "zookeeper": "3.9.5"}[system]
    with pytest.raises(Broken, match="signature of"):
        resolve(system, release, progress=quiet)
    assert not cache.is_cached(system, release)


def test_checksums_changed_after_they_were_signed_are_refused(vendors, tmp_path):
    vendors.consul()
    trust(tmp_path, "consul", vendors.key)
    sums = vendors.root / "consul/1.19.2/consul_1.19.2_SHA256SUMS"
    sums.write_bytes(sums.read_bytes().replace(b"  consul", b"   consul"))
    with pytest.raises(Broken, match="signature of"):
        resolve("consul", "1.19.2", progress=quiet)


def test_zookeepers_jars_come_from_apaches_archive(vendors, tmp_path):
    vendors.zookeeper()
    trust(tmp_path, "zookeeper", vendors.key)
    server = resolve("zookeeper", "3.9.5", progress=quiet)
    assert [jar.name for jar in server.jars.iterdir()] == ["zookeeper.jar"]
    assert f"sha512 verified, signed by {vendors.key.extract_certificate().fingerprint}" in server.how


def test_without_a_key_it_is_said_that_nobody_vouches(vendors):
    vendors.zookeeper()
    assert (
        "signature not verified: no key zookeeper.asc in" in resolve("zookeeper", "3.9.5", progress=quiet).how
    )


def test_hashicorps_key_is_in_the_tree(vendors):
    prints = [key.fingerprint for key in signature.keys_of("consul")]
    assert prints == ["c874011f0ab405110d02105534365d9472d7468f"]


def test_the_newest_and_what_does_not_exist_are_asked_of_the_list(vendors):
    for release in ("3.5.30", "3.6.16", "3.6.2"):
        vendors.etcd(release)
    assert understood("etcd", "3.6") == "3.6.16"
    assert understood("etcd", "latest") == "3.6.16"
    assert "no way to get etcd@3.6.99" in (unpublished("etcd", "3.6.99") or "")
    assert unpublished("etcd", "3.6.2") is None


def test_the_list_is_whole_without_a_network(vendors, monkeypatch):
    for release in ("3.5.30", "3.6.16", "3.6.2"):
        vendors.etcd(release)
    assert {row.release: row.note for row in list_releases("etcd")} == {"3.6.16": "the newest", "3.5.30": ""}
    monkeypatch.setenv("QUORATE_ETCD_MIRROR", "http://127.0.0.1:9")
    rows = {row.release: row.note for row in list_releases("etcd")}
    assert set(rows) == {"3.6.16", "3.5.30"}
    assert "the newest as of 2" in rows["3.6.16"]
    assert "no source answers" in rows["3.6.16"]
    assert "127.0.0.1:9 does not answer" in rows["3.5.30"]


def test_a_host_that_does_not_answer_is_told_before_anything_starts(vendors, monkeypatch):
    monkeypatch.setenv("QUORATE_HASHICORP_MIRROR", "http://127.0.0.1:9")
    assert "127.0.0.1:9 does not answer" in (unobtainable("consul", "1.19.2") or "")
    assert unpublished("consul", "1.19.2") is None, "nobody could be asked"


def test_a_proxy_of_the_environment_is_used(vendors, monkeypatch):
    vendors.etcd()
    monkeypatch.setenv("QUORATE_ETCD_MIRROR", "http://vendor.invalid")
    monkeypatch.setenv("http_proxy", vendors.url)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(vendors_module.Handler, "translate_path", _through_proxy(vendors))
    assert "vendor.invalid" in resolve("etcd", "3.6.16", progress=quiet).how


def _through_proxy(vendors):
    def translate(self, path):
        return str(vendors.root / path.removeprefix("http://vendor.invalid").lstrip("/"))

    return translate


def test_servers_for_another_platform_stand_apart(vendors):
    vendors.etcd()
    vendors.etcd(arch="arm64", content=b"for arm")
    with platforms.wanting(Platform("linux", "arm64")):
        foreign = resolve("etcd", "3.6.16", progress=quiet)
    own = resolve("etcd", "3.6.16", progress=quiet)
    assert foreign.binary.read_bytes() == b"for arm"
    assert own.binary.read_bytes() != b"for arm"
    assert foreign.folder.name == "3.6.16~linux-arm64"
    assert cache.releases("etcd") == ["3.6.16"]
    with (
        platforms.wanting(Platform("linux", "riscv64")),
        pytest.raises(Broken, match="for linux/riscv64 is not at"),
    ):
        resolve("etcd", "3.6.16", progress=quiet)


@pytest.mark.parametrize(("said", "meant"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64")])
def test_machines_are_called_as_go_calls_them(said, meant):
    assert architecture(said) == meant


ALONE = "ab" * 64


@pytest.mark.parametrize(
    "text",
    [
        f"{ALONE}  a.tar.gz\n",
        f"{ALONE} *a.tar.gz\n",
        f"{ALONE}\n",
        "a.tar.gz: " + " ".join(["ABAB ABAB"] * 16) + "\n",
        "a.tar.gz:\n " + "\n ".join(["ABAB ABAB"] * 16) + "\n",
    ],
)
def test_checksums_are_read_as_vendors_write_them(text):
    assert checksum_in(text, "a.tar.gz") == ALONE


@pytest.mark.parametrize("text", ["", "no sum\n", f"{'0' * 64}  b\n{'1' * 64}  c\n", "<html>404</html>"])
def test_what_is_no_checksum_is_refused(text):
    with pytest.raises(Broken, match="do not name"):
        checksum_in(text, "a.tar.gz")


@pytest.mark.parametrize(
    ("layout", "page", "found"),
    [
        (layouts.ETCD, '{"tag_name":"v3.6.16"},{"tag_name": "v3.8.0-alpha.0"}', ["3.6.16", "3.8.0-alpha.0"]),
        (layouts.CONSUL, '<a href="/consul/1.19.2/">c</a><a href="/consul/1.19.2+ent/">e</a>', ["1.19.2"]),
        (layouts.ZOOKEEPER, '<a href="zookeeper-3.9.4/">', ["3.9.4"]),
    ],
)
def test_the_vendors_lists_are_read(layout, page, found):
    assert re.findall(layout.listed, page) == found
