"""How a training reports its steps."""

from collections.abc import Callable

Progress = Callable[[int, int, dict[str, float]], None]
"""Takes the steps done, the steps in all, and the metrics of the last one."""
