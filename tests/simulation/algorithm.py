"""Algorithm 1 of the paper, lines 6 to 25, over what is said in a simulated world. Nothing of the package is used."""

from tests.simulation import world as said
from tests.simulation.plan import World

Pair = tuple[str, str, str]
"""Example id, chosen, rejected."""


def expected_pairs(world: World) -> list[Pair]:
    """The pairs of a world, in the order of its examples."""
    return [
        (f"example-{position}", chosen, rejected)
        for position, query in enumerate(world.queries)
        for chosen, rejected in _pairs_of(world, query)
    ]


def expected_failures(world: World) -> list[str]:
    """The examples whose z the judge does not score."""
    return [
        f"example-{position}"
        for position, query in enumerate(world.queries)
        if said.score(world, query, said.solo(world, query)) is None
    ]


def _pairs_of(world: World, query: int) -> list[tuple[str, str]]:
    alone = said.score(world, query, said.solo(world, query))
    if alone is None:
        return []
    better: list[str] = []
    worse: list[str] = []
    for sample in range(world.samples):
        # floor(K/2) of each are all that K drafts can pair: later drafts are not looked at.
        if min(len(_not_in(better, worse)), len(_not_in(worse, better))) >= world.samples // 2 > 0:
            break
        draft = said.draft(world, query, sample)
        grade = said.score(world, query, said.refined(world, query, draft))
        if grade is not None:
            side = better if grade > alone else worse
            if draft not in side:
                side.append(draft)
    return list(zip(_not_in(better, worse), _not_in(worse, better), strict=False))


def _not_in(side: list[str], other: list[str]) -> list[str]:
    return [draft for draft in side if draft not in other]
