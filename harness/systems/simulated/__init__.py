"""A replicated store in this process, in virtual or real time, with bugs that can be switched on."""

from harness.systems.simulated.bugs import BUGS
from harness.systems.simulated.client import SimulatedClient
from harness.systems.simulated.cluster import SimulatedCluster, SimulatedNetwork, SimulatedNode
from harness.systems.simulated.system import Simulated

__all__ = ["BUGS", "Simulated", "SimulatedClient", "SimulatedCluster", "SimulatedNetwork", "SimulatedNode"]
