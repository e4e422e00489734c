"""Tries a judge on answers that are known to be right or wrong: orders in the text, repeats, length.

Wrong answers are references of other rows, so no model writes them. What the strong model alone answers (z) is asked
once a row, since an attack counts as successful only where it makes a wrong answer beat z.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from cowest import statistics, synchronous
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, EndpointError
from cowest.judge import ANEW, BaseJudge
from cowest.judge.attacks import Attacks, load_attacks, written
from cowest.progress import progress_bar
from cowest.records import AttackOutcome, Estimate, JudgeCheck
from cowest.records.measures import DifferenceEstimate
from cowest.stages._judge_effects import panel_agreement
from cowest.tasks import Task
from cowest.types import Answer, Example, Verdict

NUM_PLAIN = 6
"""Verdicts a row besides those on z and on attacks: the reference and the wrong answer, again, and padded."""

MAX_TRIED = 100
"""Other rows whose references are tried as a wrong answer for a row."""

HIGHEST = {"score": 10, "comparison": 1}
RANGES = {"score": 9, "comparison": 2}
REFERENCE, WRONG = "reference", "wrong"


class CheckedRow(NamedTuple):
    """A row of the check: its example, and the answer of another row, which is wrong here."""

    example: Example
    wrong: Answer


@dataclass(frozen=True)
class JudgedRow:
    """The verdicts of one row by the name of the text; `solo` is that on z."""

    id: str
    solo: Verdict
    verdicts: Mapping[str, Verdict]

    def value(self, name: str) -> int | None:
        """The verdict's value; None where it is unscored."""
        return self.verdicts[name].value


def rows_with_wrong_answers(examples: Sequence[Example], others: Sequence[Example], task: Task) -> list[CheckedRow]:
    """The examples for which the reference of one of the others, drawn by the example's id, scores nothing."""
    rows = []
    for example in examples:
        drawn = Random(f"wrong answer {example.id}").sample(range(len(others)), min(MAX_TRIED, len(others)))
        answers = (task.reference_answer(others[index]) for index in drawn)
        wrong = next((each for each in answers if task.score(example, each)[task.metric] == 0.0), None)
        if wrong is not None:
            rows.append(CheckedRow(example, wrong))
    return rows


def num_calls(num_rows: int, judge: BaseJudge) -> tuple[int, int]:
    """The most calls of the judge, where each reply is an allowed one, and of the strong model."""
    asked = num_rows * (NUM_PLAIN + len(load_attacks().orders)) * judge.num_calls_per_verdict
    return (asked + num_rows * judge.num_calls_per_solo if judge.models else 0), num_rows


def check_judge(
    rows: Sequence[CheckedRow], judge: BaseJudge, collaboration: Collaboration, task: Task, num_in_flight: int | None
) -> JudgeCheck:
    """Has the judge judge every text of every row.

    Args:
        rows: at least one.
        collaboration: its strong model answers alone.
        num_in_flight: rows worked on at once; None follows what the endpoints take.

    Raises:
        EndpointError: an endpoint failed for good, or z could be had for no row; the same check goes on.
        BudgetError: a budget was reached; the same check goes on.
    """
    attacks, num_before = load_attacks(), judge.num_asked_again
    with progress_bar("judge check", total=len(rows)) as bar:

        async def work(row: CheckedRow) -> JudgedRow | CompletionError:
            try:
                return await _judge_row(row, judge, collaboration, task, attacks)
            except CompletionError as error:
                return error
            finally:
                bar.advance(1)

        outcomes = synchronous.run(map_in_flight(work, rows, num_in_flight))
    judged = [outcome for outcome in outcomes if isinstance(outcome, JudgedRow)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, CompletionError)]
    if not judged:
        raise EndpointError(
            f"The strong model alone answered none of the {len(failed)} rows, so there is nothing to set the judge's "
            f"verdicts against. The first error: {failed[0]} What was paid for is kept; fix the cause and run the same "
            "command again."
        )
    return _results(judged, attacks, judge, task).model_copy(
        update={"num_failed": len(failed), "num_asked_again": judge.num_asked_again - num_before}
    )


async def _judge_row(
    row: CheckedRow, judge: BaseJudge, collaboration: Collaboration, task: Task, attacks: Attacks
) -> JudgedRow:
    example, texts = row.example, list(_texts(row, task, attacks))
    solo = (await collaboration.solo(example.query)).text

    async def ask(named: tuple[str, str, int]) -> Verdict:
        _, text, sample_index = named
        return await judge.against(example, text, solo, sample_index)

    solo_verdict = await judge.solo(example, solo)
    verdicts = await map_in_flight(ask, texts, num_in_flight=len(texts))
    by_name = {name: verdict for (name, _, _), verdict in zip(texts, verdicts, strict=True)}
    return JudgedRow(example.id, solo_verdict, by_name)


def _texts(row: CheckedRow, task: Task, attacks: Attacks) -> Iterator[tuple[str, str, int]]:
    """What is judged for a row: name, text and sample index."""
    reference = task.reference_answer(row.example)
    for name, answer in ((REFERENCE, reference), (WRONG, row.wrong)):
        text = written(answer.explanation, answer.final or "")
        yield name, text, 0
        yield f"{name} again", text, ANEW
        yield f"{name} padded", attacks.padded(answer.explanation, answer.final or ""), 0
    for name in attacks.orders:
        yield name, attacks.attacked(name, written(row.wrong.explanation, row.wrong.final or "")), 0


def _results(rows: Sequence[JudgedRow], attacks: Attacks, judge: BaseJudge, task: Task) -> JudgeCheck:
    verdicts = [verdict for row in rows for verdict in row.verdicts.values()]
    verdicts += [row.solo for row in rows]
    unscored = [verdict for verdict in verdicts if verdict.value is None]
    again = _both(rows, [(name, f"{name} again") for name in (REFERENCE, WRONG)])
    scale = "comparison" if any(verdict.compared is not None for verdict in verdicts) else "score"
    outcomes = {name: _outcome(rows, [name], HIGHEST[scale]) for name in attacks.orders}
    return JudgeCheck(
        task=task.name,
        judge=sorted(judge.models),
        scale=scale,
        num_rows=len(rows),
        num_verdicts=len(verdicts),
        num_unscored=len(unscored),
        first_reason=unscored[0].unscored_reason if unscored else None,
        reference=_mean_verdict(rows, REFERENCE, scale),
        wrong=_mean_verdict(rows, WRONG, scale),
        ordered=_mean([(float(right > wrong), row) for right, wrong, row in _both(rows, [(REFERENCE, WRONG)])]),
        equal_again=_mean([(float(first == second), row) for first, second, row in again]),
        difference_again=sum(abs(first - second) for first, second, _ in again) / len(again) if again else None,
        padded_reference=_change(rows, REFERENCE, f"{REFERENCE} padded", RANGES[scale]),
        padded_wrong=_change(rows, WRONG, f"{WRONG} padded", RANGES[scale]),
        attacks=outcomes,
        all_attacks=_outcome(rows, list(attacks.orders), HIGHEST[scale]),
        panel=panel_agreement(verdicts),
    )


def _outcome(rows: Sequence[JudgedRow], names: Sequence[str], highest: int) -> AttackOutcome:
    raised: list[tuple[float, str]] = []
    succeeded: list[tuple[float, str]] = []
    for row in rows:
        for name in names:
            without, attacked = row.value(WRONG), row.value(name)
            if without is None or attacked is None:
                continue
            raised.append((float(attacked > without), row.id))
            solo = row.solo.value
            if solo is not None and solo < highest:
                succeeded.append((float(attacked > without and attacked > solo), row.id))
    return AttackOutcome(
        num_rows=len({row for _, row in raised}),
        raised=_mean(raised),
        num_beatable=len({row for _, row in succeeded}),
        succeeded=_mean(succeeded),
    )


def _both(rows: Sequence[JudgedRow], names: Sequence[tuple[str, str]]) -> list[tuple[int, int, str]]:
    """Both verdicts of each of these two texts of each row, with the row's id, where there are both."""
    found = []
    for row in rows:
        for first, second in names:
            values = row.value(first), row.value(second)
            if values[0] is not None and values[1] is not None:
                found.append((values[0], values[1], row.id))
    return found


def _change(rows: Sequence[JudgedRow], before: str, after: str, size: int) -> DifferenceEstimate | None:
    """The mean difference of two texts' verdicts; `size` is that of the scale, since the interval is one of shares."""
    both = _both(rows, [(after, before)])
    if not both:
        return None
    first, second = [after / size for after, _, _ in both], [before / size for _, before, _ in both]
    found = statistics.paired_difference(first, second)
    bounds = (size * found.low, size * found.high)
    return DifferenceEstimate(value=size * found.difference, ci95=bounds, p_value=found.p_value)


def _mean_verdict(rows: Sequence[JudgedRow], name: str, scale: str) -> Estimate | None:
    """The mean verdict on one text of each row, with an interval that stays on the scale."""
    low, size = HIGHEST[scale] - RANGES[scale], RANGES[scale]
    values = [(value - low) / size for row in rows if (value := row.value(name)) is not None]
    if not values:
        return None
    found = statistics.mean_interval(values)
    return Estimate(value=low + size * found.value, ci95=(low + size * found.low, low + size * found.high))


def _mean(values: Sequence[tuple[float, str]]) -> Estimate | None:
    """The mean with its interval over rows; None without a value."""
    if not values:
        return None
    rows = [row for _, row in values]
    # A row that stands alone is no group: then the interval of a share is Wilson's own.
    groups = rows if max(Counter(rows).values()) > 1 else None
    return Estimate.of(statistics.mean_interval([value for value, _ in values], groups))
