"""Flips: how often answers change when words of the query are swapped, beyond those that change anyway."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowest import statistics
from cowest.auditing.reliance import make_share, same_answer
from cowest.auditing.swapping import WordSwap
from cowest.errors import EndpointError
from cowest.pricing import total_usd
from cowest.records import CorrectedDifference, Difference, Flips, Prediction, Share, Swaps
from cowest.records.spend import add_calls
from cowest.statistics.values import Floats


class Answers(NamedTuple):
    """The answers of one way of answering.

    Attributes:
        before: to the queries as they are.
        swapped: to the queries with swapped words.
        again: to the queries as they are, asked once more; None where nothing is sampled.
    """

    before: list[Prediction]
    swapped: list[Prediction]
    again: list[Prediction] | None


def compare_answers(
    strong: Answers, pair: Answers, swap: WordSwap, groups: Sequence[str | None], num_matching: int
) -> Swaps:
    """How often the strong model alone and the pair change their answers; examples with a failed call are left out.

    Args:
        groups: what each example belongs to.
        num_matching: examples of the evaluation with a word that is swapped, asked or not.

    Raises:
        EndpointError: a call of every example failed.
    """
    rows = [each for answers in (strong, pair) for each in (answers.before, answers.swapped, answers.again) if each]
    is_whole = np.array([all(row.error is None for row in of_one) for of_one in zip(*rows, strict=True)])
    if not is_whole.any():
        first = next(row.error for each in rows for row in each if row.error is not None)
        raise EndpointError(
            f"A call of every example failed. The first error: {first} What was paid for is kept; fix the cause and "
            "run the same command again."
        )
    kept = [group for group, whole in zip(groups, is_whole, strict=True) if whole]
    stays = {name: _stays(answers, swap, is_whole) for name, answers in (("strong", strong), ("pair", pair))}
    differences = [
        *(statistics.paired_difference(swapped, again, kept) for swapped, again in stays.values()),
        statistics.paired_difference(stays["pair"][0], stays["strong"][0], kept),
    ]
    corrected = statistics.holm([each.p_value for each in differences])
    of_strong, of_pair, between = (
        CorrectedDifference(p_holm=p_holm, **dict(Difference.of(each)))
        for each, p_holm in zip(differences, corrected, strict=True)
    )
    return Swaps(
        words=list(swap.pairs),
        num_matching=num_matching,
        num_examples=len(kept),
        num_groups=statistics.count_groups(kept),
        num_failed=len(groups) - len(kept),
        strong=_flips(*stays["strong"], strong, kept, of_strong),
        pair=_flips(*stays["pair"], pair, kept, of_pair),
        difference=between,
        calls=add_calls(row.calls for row in itertools.chain(*rows)),
        cost_usd=total_usd(row.cost_usd for row in itertools.chain(*rows)),
    )


def _stays(answers: Answers, swap: WordSwap, chosen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Which answers stay under the swap, and which when asked again: all, where nothing is sampled."""
    swapped = [_is_kept(*both, swap) for both in zip(answers.before, answers.swapped, strict=True)]
    if answers.again is None:
        return np.array(swapped, dtype=float)[chosen], np.ones(int(chosen.sum()))
    again = [_is_kept(*both, None) for both in zip(answers.before, answers.again, strict=True)]
    return np.array(swapped, dtype=float)[chosen], np.array(again, dtype=float)[chosen]


def _is_kept(before: Prediction, after: Prediction, swap: WordSwap | None) -> bool:
    if same_answer(before.answer, before.label, after.answer, after.label):
        return True
    if swap is None or before.answer is None or (before.label, after.label) != (None, None):
        return False
    return same_answer(swap.text(before.answer), None, after.answer, None)


def _flips(
    swapped: Floats, again: Floats, answers: Answers, groups: Sequence[str | None], difference: CorrectedDifference
) -> Flips:
    def share(stays: Floats) -> Share:
        return make_share([not each for each in stays], groups)

    return Flips(
        changed=share(swapped),
        changed_again=None if answers.again is None else share(again),
        difference=difference,
    )
