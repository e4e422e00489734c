"""How far a long stage is: a bar on a terminal or in a notebook, else a line every 30 seconds."""

from cowest.progress.bar import ProgressBar, progress_bar, quietly, refresh, say
from cowest.progress.status import Status, notice

__all__ = ["ProgressBar", "Status", "notice", "progress_bar", "quietly", "refresh", "say"]
