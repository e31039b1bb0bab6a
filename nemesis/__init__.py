"""What breaks things: one module for each family of faults, and the schedule that mixes them."""

if __name__ != "quorate.nemesis":  # the checkout is on the path: by two names every class would exist twice
    raise ImportError(f"this is quorate.nemesis: write `import quorate.nemesis`, not `import {__name__}`")

from quorate.nemesis.schedule import FaultSpec, Nemesis, parse

__all__ = ["FaultSpec", "Nemesis", "parse"]
