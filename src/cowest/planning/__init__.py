"""What a recipe or a bench will cost: calls, tokens, money and time, low and high."""

from cowest.planning.bench import BenchPlan, make_bench_plan
from cowest.planning.bench_table import print_bench_plan
from cowest.planning.estimate import make_plan
from cowest.planning.plan import Plan
from cowest.planning.table import print_plan

__all__ = ["BenchPlan", "Plan", "make_bench_plan", "make_plan", "print_bench_plan", "print_plan"]
