"""The calls of an alignment that drafts while it trains, rehearsed on a sample of its queries."""

import math
from collections.abc import Sequence

from cowest import synchronous
from cowest.alignment import AlignConfig
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.judge import BaseJudge
from cowest.planning.data import sample
from cowest.planning.rehearsal import SOLO
from cowest.planning.tally import Tally
from cowest.types import Example


def rehearse_rollouts(
    config: AlignConfig,
    num_queries: int,
    queries: Sequence[Example],
    pair: Collaboration,
    judge: BaseJudge,
    tally: Tally,
) -> None:
    """Refines and judges the drafts of all epochs; `pair`, `judge` and `tally` are those of a rehearsal.

    Args:
        num_queries: that it learns from, of which those that fill a step are drafted for.
        queries: of the round.
    """
    rehearsed = sample(queries)
    tally.weight = num_queries // config.queries_a_step * config.queries_a_step / len(rehearsed)

    async def rollout(item: tuple[Example, int]) -> None:
        example, index = item
        draft = await pair.draft(example.query, index)
        refined = await pair.refine(example.query, draft.text, index)
        await judge.against(example, refined.text, SOLO, index)

    num_drafts = math.ceil(config.epochs * config.generations)
    items = [(example, index) for example in rehearsed for index in range(num_drafts)]
    synchronous.run(map_in_flight(rollout, items, len(items)))
