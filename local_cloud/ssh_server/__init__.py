"""A NAS's SSH: a real OpenSSH server, a sudo as DSM's, accounts, and a line that breaks."""

from .account import Account
from .cutting_proxy import CuttingProxy, Direction
from .server import SshServer
from .sudo import SimulatedSudo, SudoMode

__all__ = ["Account", "CuttingProxy", "Direction", "SimulatedSudo", "SshServer", "SudoMode"]
