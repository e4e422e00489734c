"""The counts in summary.json of a round of feedback: drafts, pairs, calls, tokens, money, and calls saved."""

from collections import Counter
from collections.abc import Iterable, Mapping

from cowest import preferences
from cowest.annotators.base import PERFECT
from cowest.collaboration import Collaboration
from cowest.models import Metered
from cowest.pricing import total_usd
from cowest.records import (
    ComparedExample,
    Failure,
    FeedbackSummary,
    GradedExample,
    JudgeAgreement,
    NullControl,
    PairLabels,
)
from cowest.tasks import Task
from cowest.types import Answer, Example, GradedDraft, PreferencePair


class Counts:
    """Counts the examples of a round one by one, so that none has to be kept.

    Args:
        samples: K, the drafts per query if no rule saves any.
        calls_per_draft: calls of all models per draft.
        until_pair: whether the drafts of a query end with its first pair.
    """

    def __init__(self, samples: int, calls_per_draft: int, *, until_pair: bool = False) -> None:
        self._samples = samples
        self._calls_per_draft = calls_per_draft
        self._until_pair = until_pair
        self._num = Counter[str]()
        self._saved = Counter({"solo_perfect": 0, "settled": 0})
        self._unparsed = Counter[str]()
        self._chosen_labels, self._rejected_labels = Counter[str](), Counter[str]()

    def add(self, row: GradedExample | ComparedExample | Failure) -> None:
        """Counts an example."""
        if isinstance(row, Failure):
            self._num["failed"] += 1
        elif isinstance(row, GradedExample):
            self._add_graded(row)
        else:
            self._add_compared(row)
        if self._until_pair and not isinstance(row, Failure):
            self._num["not_drawn"] += preferences.num_not_drawn(row, self._samples)

    def _add_graded(self, row: GradedExample) -> None:
        self._num += Counter(
            graded=1,
            drafts=len(row.drafts),
            positive=sum(map(preferences.is_positive, row.drafts)),
            negative=sum(map(preferences.is_negative, row.drafts)),
            unscored=sum(draft.gain is None for draft in row.drafts),
            identical=preferences.num_identical([draft.draft for draft in row.drafts]),
            cut=sum(draft.draft.finish_reason == "length" for draft in row.drafts),
            solo_perfect=row.solo_verdict.score == PERFECT,
        )
        if row.skipped is not None and row.skipped in self._saved:
            self._saved[row.skipped] += (self._samples - len(row.drafts)) * self._calls_per_draft

    def _add_compared(self, row: ComparedExample) -> None:
        num_decided = sum(preferences.decide(comparison) is not None for comparison in row.comparisons)
        num_unscored = sum(comparison.preference is None for comparison in row.comparisons)
        # The winner of a comparison is positive, the loser negative; without a preference both are unscored.
        self._num += Counter(
            compared=1,
            drafts=len(row.drafts),
            positive=num_decided,
            negative=num_decided,
            unscored=2 * num_unscored,
            ties=len(row.comparisons) - num_decided - num_unscored,
            identical=preferences.num_identical(row.drafts),
            cut=sum(draft.finish_reason == "length" for draft in row.drafts),
        )

    def add_unparsed(
        self, example: Example, row: GradedExample | ComparedExample, task: Task, collaboration: Collaboration
    ) -> None:
        """Counts the outputs of an example that hold no answer, by their field of the summary."""

        def count(field: str, answers: Iterable[Answer]) -> None:
            for answer in answers:
                self._unparsed[field] += not task.has_answer(example, answer)

        if isinstance(row, GradedExample):
            refined = [draft.refined for draft in row.drafts if draft.refined is not None]
            count("num_unparsed_solo", [task.parse(example, row.solo)])
            count("num_unparsed_refined", [task.parse(example, text) for text in refined])
        if collaboration.drafts_hold_answers:
            texts = [draft.draft.text if isinstance(draft, GradedDraft) else draft.text for draft in row.drafts]
            count("num_unparsed_drafts", [collaboration.read_draft(task, example, text) for text in texts])

    def add_labels(self, example: Example, pair: PreferencePair, task: Task, collaboration: Collaboration) -> None:
        """Counts the labels of a pair's drafts, where answers are labels."""
        if task.gold_label(example) is None:
            return
        for labels, messages in ((self._chosen_labels, pair.chosen), (self._rejected_labels, pair.rejected)):
            label = task.label_of(example, collaboration.read_draft(task, example, messages[-1].content))
            if label is not None:
                labels[label] += 1

    def summary(
        self,
        roles: Mapping[str, Metered],
        *,
        kind: str,
        num_pairs: int,
        num_identical: int,
        null_control: NullControl | None = None,
        judge_agreement: JudgeAgreement | None = None,
    ) -> FeedbackSummary:
        """The content of summary.json except `wall_s`.

        `calls` plus `calls_saved` is the number of calls without any of the rules, except for second questions to the
        judge about drafts that were never made.

        Args:
            kind: of feedback.
            num_pairs: that are kept.
            num_identical: calls to the judge saved because it had judged the same text before.
        """
        num = self._num
        paired = {preferences.PAIRED: num["not_drawn"] * self._calls_per_draft} if self._until_pair else {}
        saved = {**self._saved, **paired}
        summary = FeedbackSummary(
            kind=kind,
            num_examples=num["graded"] + num["compared"] + num["failed"],
            num_pairs=num_pairs,
            num_drafts=num["drafts"],
            num_positive=num["positive"],
            num_negative=num["negative"],
            num_unscored=num["unscored"],
            num_failed=num["failed"],
            num_identical_drafts=num["identical"],
            num_drafts_cut=num["cut"],
            num_solo_perfect=num["solo_perfect"],
            calls={role: meter.num_calls for role, meter in roles.items()},
            usage={role: meter.usage for role, meter in roles.items()},
            cost_usd=total_usd(meter.cost_usd for meter in roles.values()),
            calls_saved={**saved, "identical_judge_calls": num_identical},
            null_control=null_control,
            judge_agreement=judge_agreement,
        )
        more = {"num_ties": num["ties"]} if num["compared"] else {}
        if self._until_pair:
            more["num_drafts_not_drawn"] = num["not_drawn"]
        return summary.model_copy(update={**self._unparsed, **more, "pair_labels": self._pair_labels()})

    def _pair_labels(self) -> PairLabels | None:
        chosen, rejected = dict(self._chosen_labels.most_common()), dict(self._rejected_labels.most_common())
        return PairLabels(chosen=chosen, rejected=rejected) if chosen or rejected else None
