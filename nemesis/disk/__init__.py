"""Bad disks: slow, failing, or full, as one server sees them (see docs/faults.md).

See docs/decisions/disks-and-power.md.
"""

from quorate.nemesis.disk.fault import Disk

__all__ = ["Disk"]
