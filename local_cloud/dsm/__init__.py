"""A simulated DSM on loopback, in front of a real nginx: what the agent and the set-up are tested on.

The facts are those of public tools and of their authors' measurements; where they are unsure the simulation
takes the harder reading. `SimulatedDsm` lays out and runs one, the other modules are the programs inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_cloud.dsm.simulated import ReverseProxy, SimulatedDsm

__all__ = ["ReverseProxy", "SimulatedDsm"]


def __getattr__(name: str) -> object:
    """Import `simulated` when it is asked for: each program's start passes here and needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from local_cloud.dsm import simulated  # noqa: PLC0415

    return getattr(simulated, name)
