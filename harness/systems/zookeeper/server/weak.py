"""What ZooKeeper promises of reads without a sync (docs/systems/zookeeper.md)."""

from __future__ import annotations

from typing import Final

from quorate.harness.core.weak import WeakReads

PLAIN: Final = WeakReads(
    mode="reads=plain",
    says="a server answers from what it has applied; a session sees its own writes and never an older view, "
    "and sessions may see different views at one time",
    link="https://zookeeper.apache.org/doc/current/zookeeperProgrammers.html#ch_zkGuarantees",
    monotonic=True,
    own_writes=True,
)
