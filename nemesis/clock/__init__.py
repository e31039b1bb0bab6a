"""Skewed clocks, one process at a time: no host clock is ever touched (see docs/faults.md).

See docs/decisions/clocks.md.
"""

from quorate.nemesis.clock.fault import Clock

__all__ = ["Clock"]
