"""ZooKeeper: znodes, sessions and ephemerals over its own protocol."""

from quorate.harness.systems.zookeeper.server.system import ZooKeeper

__all__ = ["ZooKeeper"]
