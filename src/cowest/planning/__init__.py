"""What a recipe will cost before anything is spent: calls, tokens, money and time, in a low and a high case."""

from cowest.planning.estimate import Plan, make_plan
from cowest.planning.table import print_plan

__all__ = ["Plan", "make_plan", "print_plan"]
