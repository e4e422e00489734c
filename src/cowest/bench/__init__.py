"""Every row of the paper's Table 1 on one task, its sweeps, and which of its claims hold there."""

from cowest.bench.run import run_bench
from cowest.bench.table import print_bench

__all__ = ["print_bench", "run_bench"]
