"""The estimate of a recipe as it is kept and printed."""

from typing import Any

from pydantic import BaseModel

from cowest.planning.hours import StageTime
from cowest.planning.power import Power
from cowest.planning.spend import Spend


class Case(BaseModel):
    """One case of the estimate.

    Attributes:
        assumed: the assumptions.
        stages: spend by stage and role.
        roles: spend by role.
        cost_usd: total; None where a price is unknown.
        wall_s: seconds of calls to endpoints, at the known limits or the assumed latency; without training, models in
            this process and batches.
        num_pairs: preference pairs of all rounds, or single drafts or queries where alignment learns from these.
        times: by stage: how long it takes, its GPU hours, and what it waits for most. Empty where the recipe has no
            engines but this process, no GPU, and no speed.
    """

    assumed: dict[str, Any]
    stages: dict[str, dict[str, Spend]]
    roles: dict[str, Spend]
    cost_usd: float | None
    wall_s: float
    num_pairs: int
    times: dict[str, StageTime]


class Plan(BaseModel):
    """The estimate of a recipe.

    Attributes:
        rounds: of feedback.
        trains: whether the weak model is trained, and not on a server as it is.
        num_to_explain: training rows that the strong model explains before SFT.
        num_queries: examples of feedback per round.
        until_pair: whether a query's drafts end with its first pair, so that `samples` is the most.
        feedback_spend_usd: what a round of feedback may spend on strong and judge calls; None for no limit.
        alignment: the method, with what differs from its defaults.
        learned_from: what it learns from: "pair", "draft" or "query".
        num_evaluated: examples of evaluation.
        power: the difference that these can show.
        gate_examples: number of examples for `cowest gate`, by split; None without a calibrated gate.
            Its calls are those of the stage "gate", without those that the evaluation makes too.
        swapped: number of queries that `cowest audit --swaps` asks with swapped words; None where none are named.
            Its calls are those of the stage "audit", without those that the evaluation makes too.
        tokens_from: how tokens were counted, by role.
        measured: values taken from earlier rounds of this run instead of assumed.
        already_paid: replies that the run's ledger holds, by role; they are not paid again.
        budgets_usd: caps by role, where there are any.
        batched: roles whose calls go through a batch interface, which may take a day for each dependent round.
        in_process: roles whose model runs in this process.
        servers: by role, the servers that the run starts.
        cluster: the engines of the recipe's cluster, in words; None without one.
        without_speed: roles of local models whose `tokens_per_second` is not in the recipe.
        endpoint_problems: by role, problems with its endpoint, such as a key that is not set. They do not stop
            planning, but the run needs the endpoints.
        endpoints: by role, the addresses of a model that has several.
        without_logprobs: roles whose log-probabilities are not kept.
    """

    run: str
    rounds: int
    trains: bool
    samples: int
    until_pair: bool = False
    num_train: int
    num_to_explain: int
    num_queries: int
    feedback_spend_usd: float | None = None
    alignment: str
    learned_from: str
    num_evaluated: int
    power: Power
    gate_examples: dict[str, int] | None
    swapped: int | None = None
    methods: list[str]
    tokens_from: dict[str, str]
    measured: dict[str, float]
    already_paid: dict[str, int]
    budgets_usd: dict[str, float]
    batched: list[str]
    in_process: list[str]
    servers: dict[str, str]
    cluster: str | None
    without_speed: list[str]
    endpoint_problems: dict[str, str]
    endpoints: dict[str, tuple[str, ...]]
    without_logprobs: list[str]
    low: Case
    high: Case
