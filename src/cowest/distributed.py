"""Which of several processes this is, when `accelerate launch` started more than one."""

import os


def is_main_process() -> bool:
    """Whether this process writes the files and speaks to the user."""
    return os.environ.get("RANK", "0") == "0"


def num_processes() -> int:
    """How many processes work on the same thing; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))
