"""Rank and number of the processes that `accelerate launch` started."""

import os


def is_main_process() -> bool:
    """Whether this is the process that writes files and output."""
    return os.environ.get("RANK", "0") == "0"


def num_processes() -> int:
    """Number of processes of this run; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))
