"""A simulated DSM on loopback, in front of a real nginx: what the agent and the set-up are tested on.

The facts are those of public tools and of their authors' measurements; where they are unsure the simulation
takes the harder reading. `SimulatedDsm` lays out and runs one, the other modules are the programs inside.
"""

from local_cloud.dsm.simulated import ReverseProxy, SimulatedDsm

__all__ = ["ReverseProxy", "SimulatedDsm"]
