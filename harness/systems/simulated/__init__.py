"""A replicated store in this process, in virtual or real time, with bugs that can be switched on."""

from quorate.harness.systems.simulated.bugs import BUGS
from quorate.harness.systems.simulated.client import SimulatedClient
from quorate.harness.systems.simulated.cluster import SimulatedCluster, SimulatedNetwork, SimulatedNode
from quorate.harness.systems.simulated.system import Simulated

__all__ = ["BUGS", "Simulated", "SimulatedClient", "SimulatedCluster", "SimulatedNetwork", "SimulatedNode"]
