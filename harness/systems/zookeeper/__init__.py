"""ZooKeeper: znodes, sessions and ephemerals over its own protocol."""

from harness.systems.zookeeper.system import ZooKeeper

__all__ = ["ZooKeeper"]
