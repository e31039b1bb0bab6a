"""How vendors lay out their releases: addresses, checksums, signatures, and what an archive holds."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from quorate.harness.core.platform import Platform
from quorate.harness.systems.releases.way import numbers

_GITHUB: Final = "https://github.com/etcd-io/etcd/releases/download"
_GITHUB_LIST: Final = "https://api.github.com/repos/etcd-io/etcd/releases?per_page=100"
_NUMBER: Final = r"\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)[.-]?\d+)?"


class Layout(msgspec.Struct, frozen=True):
    """One vendor's layout; in the templates `{release}`, `{os}` and `{arch}` are filled in.

    `setting` is the environment variable that names a mirror of the same layout instead of `bases`, which are tried
    in turn. `signed` says what the detached signature is over; None where the vendor publishes none. `members` is a
    pattern of the archive's files that are wanted, which go to `into` below the cached folder.
    """

    system: str
    setting: str
    bases: tuple[str, ...]
    archive: str
    checksums: str
    digest: Literal["sha256", "sha512"]
    members: str
    oldest: str
    signature: str | None = None
    signed: Literal["archive", "checksums"] | None = None
    into: str = ""
    listing: str = "/"
    listed: str = rf"({_NUMBER})"
    lists: tuple[str, ...] = ()
    any_platform: bool = False

    def roots(self) -> Sequence[str]:
        """Where to look: the user's mirror, or the vendor's own places."""
        mirror = os.environ.get(self.setting)
        return (mirror.rstrip("/"),) if mirror else self.bases

    def lists_at(self) -> Sequence[str]:
        """What to ask for all releases: a page in which each stands once at least."""
        if self.lists and not os.environ.get(self.setting):
            return self.lists
        return [root + self.listing for root in self.roots()]

    def named(self, template: str, release: str, platform: Platform) -> str:
        """Fill in a template."""
        return template.format(release=release, os=platform.os, arch=platform.arch)

    def takes(self, release: str) -> bool:
        """Whether a release of this number may be published in this layout."""
        return re.fullmatch(_NUMBER, release) is not None and numbers(release) >= numbers(self.oldest)


ETCD: Final = Layout(
    system="etcd",
    setting="QUORATE_ETCD_MIRROR",
    bases=(_GITHUB,),
    archive="/v{release}/etcd-v{release}-{os}-{arch}.tar.gz",
    checksums="/v{release}/SHA256SUMS",
    digest="sha256",
    members=r"[^/]+/etcd",
    oldest="3.3.0",
    lists=(_GITHUB_LIST, f"{_GITHUB_LIST}&page=2"),
    listed=rf'(?:"tag_name": ?"|href="[^"]*?)v({_NUMBER})',
)

# Its tools, out of the same archives.
ETCDUTL: Final = msgspec.structs.replace(ETCD, members=r"[^/]+/etcdutl", oldest="3.5.0")
ETCDCTL: Final = msgspec.structs.replace(ETCD, members=r"[^/]+/etcdctl")

CONSUL: Final = Layout(
    system="consul",
    setting="QUORATE_HASHICORP_MIRROR",
    bases=("https://releases.hashicorp.com",),
    archive="/consul/{release}/consul_{release}_{os}_{arch}.zip",
    checksums="/consul/{release}/consul_{release}_SHA256SUMS",
    signature="/consul/{release}/consul_{release}_SHA256SUMS.sig",
    signed="checksums",
    digest="sha256",
    members=r"consul",
    oldest="1.2.0",
    listing="/consul/",
    listed=rf'href="(?:/consul/)?({_NUMBER})/"',  # not 1.19.2+ent
)

ZOOKEEPER: Final = Layout(
    system="zookeeper",
    setting="QUORATE_APACHE_MIRROR",
    bases=("https://dlcdn.apache.org", "https://archive.apache.org/dist"),
    archive="/zookeeper/zookeeper-{release}/apache-zookeeper-{release}-bin.tar.gz",
    checksums="/zookeeper/zookeeper-{release}/apache-zookeeper-{release}-bin.tar.gz.sha512",
    signature="/zookeeper/zookeeper-{release}/apache-zookeeper-{release}-bin.tar.gz.asc",
    signed="archive",
    digest="sha512",
    members=r"[^/]+/lib/[^/]+\.jar",
    into="jars",
    oldest="3.5.5",  # until then under another name
    listing="/zookeeper/",
    listed=rf'href="zookeeper-({_NUMBER})/"',
    any_platform=True,
)
