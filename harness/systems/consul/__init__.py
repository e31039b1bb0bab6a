"""Consul: key-value store, sessions and locks over HTTP."""

from quorate.harness.systems.consul.server.system import Consul

__all__ = ["Consul"]
