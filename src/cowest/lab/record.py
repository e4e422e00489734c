"""What `build.json` holds: the settings of a build, and what was measured of its models."""

from __future__ import annotations

from typing import TypedDict

from cowest.lab.grammar import Notation
from cowest.lab.probes import LabellerProbes


class StrongProbes(TypedDict):
    """What was measured of a strong model; every number is a share.

    Attributes:
        alone: accuracy without a draft, by kind of query.
        with_fact_in: accuracy with the true fact, by its notation and the kind of query.
        follows_near_miss, follows_other_drug: share of answers that follow the fact of another drug.
    """

    alone: dict[str, float]
    with_fact_in: dict[Notation, dict[str, float]]
    follows_near_miss: float
    follows_other_drug: float


class WeakProbes(TypedDict):
    """What was measured of the weak base: the share of facts that it recalls, by kind."""

    recall: dict[str, float]


Probes = dict[str, StrongProbes | WeakProbes | LabellerProbes]
"""By model."""


class BuildRecord(TypedDict):
    """The content of `build.json`.

    Attributes:
        tastes: the one notation in which each strong model uses rates.
        vocabulary: number of tokens.
        rows: number of rows by split.
        schedules: `pretraining.Schedule` as JSON, by phase.
    """

    world_seed: int
    training_seed: int
    tastes: dict[str, Notation]
    num_parameters: dict[str, int]
    vocabulary: int
    rows: dict[str, int]
    schedules: dict[str, dict[str, float]]
    versions: dict[str, str]
    probes: Probes
