"""Deterministic simulation: one seed decides clock, wake-ups, faults, limits, kills and restarts of whole runs.

`python -m tests.simulation --seeds 10000 --workers 2` runs many seeds, `--seed N --trace` one of them again. What is
simulated and what is not is in docs/decisions.md.
"""
