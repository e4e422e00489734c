"""What a reader should know before trusting a run's numbers."""

from collections.abc import Iterator

from cowest import words
from cowest.method_names import STRONG_ONLY, WEAK_ONLY, label
from cowest.records import EvaluationResults, FeedbackSummary, TrainingRecord
from cowest.report.collect import RunState
from cowest.report.feedback import DISAGREES, is_within_noise, one_sided_sentence
from cowest.report.unanswered import comparison_notes, is_high, share_text
from cowest.yaml_reading import read_yaml

_NOTABLE = 0.01
"""Smaller shares occur in any long run; they are shown in the tables only."""

_FEW_EXAMPLES = 100


def warnings(run: RunState, results: EvaluationResults | None) -> list[str]:
    """One sentence per warning, the most important first."""
    sentences: list[str] = []
    if results is not None:
        sentences += _evaluation_warnings(results)
    for each in run.rounds:
        if each.feedback is not None:
            sentences += _feedback_warnings(each.round, each.feedback, is_aligned=each.align is not None)
    if (made := run.explanations) is not None and made.num_failed + made.num_rejected > _NOTABLE * made.num_examples:
        sentences.append(
            f"SFT: of {words.plural(made.num_examples, 'row')} that the strong model explained, "
            f"{made.num_rejected:,} explanations did not lead to the reference and {made.num_failed:,} could not be "
            "had or checked; these rows train without one, or not at all where the format needs it."
        )
    trainings = {"SFT": run.sft, **{f"Alignment, round {each.round}": each.align for each in run.rounds}}
    for name, training in trainings.items():
        if training is not None:
            sentences += _training_warnings(name, training)
    if _keeps_overlap(run.recipe):
        sentences.append(
            "Splits may share questions (task.overlap: keep), so what was trained on may be what was tested."
        )
    return sentences


def _evaluation_warnings(results: EvaluationResults) -> Iterator[str]:
    pair = results.pair
    if pair is not None:
        for other in (STRONG_ONLY, WEAK_ONLY):
            comparison = results.compare(pair, other)
            if comparison is not None and comparison.verdict != "better":
                relation = "clearly worse than" if comparison.verdict == "worse" else "not clearly better than"
                yield f"The pair is {relation} the {label(other).lower()}: here the second call is not worth its price."
    if 0 < results.num_examples < _FEW_EXAMPLES:
        yield f"Only {words.plural(results.num_examples, 'example')} were measured, too few for narrow intervals."
    for name, row in results.methods.items():
        if results.num_examples and row.num_failed / results.num_examples > _NOTABLE:
            share = words.percent(row.num_failed / results.num_examples)
            yield f"{label(name)}: {share} of the examples got no reply; they count as wrong."
        if is_high(row.num_unparsed, results.num_examples):
            share = share_text(row.num_unparsed, results.num_examples)
            yield f"{label(name)}: {share} of the replies hold no answer that could be read; they count as wrong."
    yield from comparison_notes(results)


def _feedback_warnings(number: int, feedback: FeedbackSummary, *, is_aligned: bool) -> Iterator[str]:
    drafts, queries = feedback.num_drafts, feedback.num_examples
    if (
        feedback.num_pairs == 0 and queries and feedback.kind != "solo" and not is_aligned
    ):  # single drafts may have been enough
        yield f"Round {number} gave no pair: no query has both a draft that helped and one that did not."
    if is_within_noise(feedback.null_control):
        yield (
            f"Round {number}: drafts do not beat the strong model alone more often than its own second sample does, "
            "so these pairs cannot be told from chance."
        )
    if one_sided := one_sided_sentence(feedback.pair_labels):
        yield f"Round {number}: {one_sided}."
    agreement = feedback.judge_agreement
    if agreement is not None and agreement.concordance is not None and agreement.concordance < DISAGREES:
        share = words.percent(agreement.concordance)
        yield (
            f"Round {number}: the judge disagrees with the metric: of two outputs that {agreement.metric} tells apart, "
            f"it scores the better one higher in {share}; a coin would in 50%."
        )
    if drafts and feedback.num_drafts_cut / drafts > _NOTABLE:
        share = words.percent(feedback.num_drafts_cut / drafts)
        yield f"Round {number}: {share} of the drafts were cut at weak.sampling.max_tokens, often before the answer."
    if drafts and feedback.num_identical_drafts / drafts > 0.5:
        share = words.percent(feedback.num_identical_drafts / drafts)
        yield f"Round {number}: {share} of the drafts repeat another of their query, so there are fewer pairs."
    if drafts and feedback.num_unscored / drafts > _NOTABLE:
        share = words.percent(feedback.num_unscored / drafts)
        yield f"Round {number}: {share} of the drafts could not be judged; they are in no pair."
    graded = queries - feedback.num_failed
    for count, total, outputs in (
        (feedback.num_unparsed_solo, graded, "strong model's outputs without a draft"),
        (feedback.num_unparsed_drafts, drafts, "drafts"),
        (feedback.num_unparsed_refined, drafts, "refined outputs"),
    ):
        if count is not None and is_high(count, total):
            share = share_text(count, total)
            yield f"Round {number}: {share} of the {outputs} hold no answer that could be read."
    if queries and feedback.num_failed / queries > _NOTABLE:
        yield f"Round {number}: {words.percent(feedback.num_failed / queries)} of the queries were left out."
    if queries and feedback.num_solo_perfect / queries > 0.5:
        share = words.percent(feedback.num_solo_perfect / queries)
        yield f"Round {number}: on {share} of the queries the strong model alone scored 10, so no draft could help."


def _training_warnings(name: str, training: TrainingRecord) -> Iterator[str]:
    total = (training.num_rows or 0) + training.num_overlong + training.num_untrainable
    left_out = training.num_overlong + training.num_untrainable
    if total and left_out / total > _NOTABLE:
        yield f"{name}: {words.percent(left_out / total)} of the rows were too long or could not be trained on."


def _keeps_overlap(recipe: str | None) -> bool:
    try:
        return bool(read_yaml(recipe or "")["task"]["overlap"] == "keep")
    except (ValueError, TypeError, KeyError):
        return False
