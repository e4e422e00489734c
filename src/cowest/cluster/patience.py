"""How long is waited for what a cluster may have lost."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds, before what is missing is an error.

    Attributes:
        no_engine_s: without any engine that can work, while there is work.
        starting_s: for one engine to be ready; then another is started in its place.
        control_plane_s: for an answer of the cluster's control plane.
    """

    no_engine_s: float = 300.0
    starting_s: float = 180.0
    control_plane_s: float = 20.0
