"""How far a long stage is: a bar, or a line every 30 seconds where there is no terminal."""

from cowest.progress.bar import ProgressBar, progress_bar, quietly, refresh, say
from cowest.progress.status import Status, notice

__all__ = ["ProgressBar", "Status", "notice", "progress_bar", "quietly", "refresh", "say"]
