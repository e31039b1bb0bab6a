"""What breaks things: one module for each family of faults, and the schedule that mixes them."""

from quorate.nemesis.schedule import FaultSpec, Nemesis, parse

__all__ = ["FaultSpec", "Nemesis", "parse"]
