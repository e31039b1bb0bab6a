"""Consul: key-value store, sessions and locks over HTTP."""

from harness.systems.consul.system import Consul

__all__ = ["Consul"]
