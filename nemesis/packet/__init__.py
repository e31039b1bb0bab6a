"""Bad networks: slow, lossy, or flaky packets between servers, without netem in the kernel (see docs/faults.md)."""

from quorate.nemesis.packet.fault import Packet

__all__ = ["Packet"]
