"""Other imputation libraries, each run as a whole process in an environment of its own."""

from .running import PEERS, Measured, Peer, run_command, run_peer

__all__ = ["PEERS", "Measured", "Peer", "run_command", "run_peer"]
