"""Feedback: from examples to preference pairs (paper section 3.3.1, Algorithm 1 lines 6 to 25)."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cowest.annotators import COMPARING, RLAIF, SOLO, BaseAnnotator, RewardModel, load_annotator
from cowest.checking import check
from cowest.collaboration import STRONG_SAMPLING, WEAK_SAMPLING, Collaboration
from cowest.errors import InputError
from cowest.judge import BaseJudge, Judge, ModelJudge, as_base_judge
from cowest.ledger import Ledger
from cowest.models import ChatModel, Metered, Openable, open_model
from cowest.prompts import Prompts
from cowest.records import read_rows
from cowest.stages._annotation import FeedbackSetting, annotate_all
from cowest.stages._diagnostics import draw_null_control
from cowest.stages._feedback_results import FeedbackResults
from cowest.stages._progress_file import ProgressFile
from cowest.stages._spend_limit import require_worst_case, spend_limit
from cowest.stages._summary import Counts
from cowest.stages.feedback_config import FeedbackConfig
from cowest.tasks import Task
from cowest.tasks.base import Split
from cowest.types import Example, PreferencePair, Sampling

__all__ = ["FeedbackConfig", "feedback", "make_annotator", "require_worst_case"]

_QUERY_SELECTION_KEYS = ("queries_from", "held_back_share", "queries")


def feedback(
    examples: Sequence[Example],
    *,
    weak: Openable,
    strong: Openable,
    out: str | Path,
    judge: Judge | None = None,
    config: FeedbackConfig | None = None,
    format: str = "chain_of_thought",
    prompts: Prompts | None = None,
    weak_sampling: Sampling = WEAK_SAMPLING,
    strong_sampling: Sampling = STRONG_SAMPLING,
    ledger: Ledger | None = None,
    task: Task | None = None,
    reward: RewardModel | None = None,
    labeller: Openable | None = None,
    seed: int = 0,
    num_in_flight: int | None = None,
    load_pairs: bool = True,
    **settings: Any,
) -> list[PreferencePair]:
    """Grades the drafts of every example and writes graded, pairs, failures, null_control and summary to `out`.

    Args:
        examples: the queries; all of them are used.
        weak, strong: models, their names or configs, or the result of `sft`.
        judge: E; by default the strong model with the built-in rubric, as in the paper.
        config: the settings; `settings` replace single keys of it, e.g. `samples=8`.
        ledger: where paid calls are stored; by default `out/ledger.sqlite`.
        task: its metric is compared with the judge; by default the task of the split, if `examples` is one.
        reward: for a kind that ranks drafts by reward, such as "rlwf".
        labeller: compares drafts for kind "rlaif"; by default the one in `config`, or else the strong model.
        seed: draws the pairs kept under `max_pairs`, and seeds models in this process.
        num_in_flight: examples annotated at once; None is as many as the models take.
        load_pairs: whether to return the pairs; without them memory hardly grows with the number of examples.

    Returns:
        The pairs, in the order of the examples; none without `load_pairs`.

    Examples:
        >>> import cowest
        >>> from cowest.lab.judge import RubricJudge
        >>> task = cowest.task("cowest.lab.task:Formulary")
        >>> drafts = ["Answer: sedative", "Answer: diuretic"]
        >>> weak = cowest.ScriptedModel(lambda request: drafts[request.sample_index % 2])
        >>> strong = cowest.ScriptedModel(  # it believes a draft that says sedative, and knows nothing itself
        ...     lambda request: "Answer: sedative" if "sedative" in request.messages[-1].content else "I do not know."
        ... )
        >>> pairs = cowest.feedback(
        ...     task.train[:40], weak=weak, strong=strong, judge=RubricJudge(task), samples=2, out="runs/mine/feedback"
        ... )
        >>> pairs[0].chosen[0].content, pairs[0].rejected[0].content
        ('Answer: sedative', 'Answer: diuretic')

    Raises:
        InputError: a setting is wrong, or is one that selects queries, which only works in a recipe.
        EndpointError: an endpoint failed for good, or every example failed; nothing is lost, and the same call
            resumes.
        BudgetError: the budget was reached; the same call resumes.
    """
    started = time.monotonic()
    out = Path(out)
    if ignored := [name for name in _QUERY_SELECTION_KEYS if name in settings]:
        raise InputError(
            f"feedback uses all the examples it is given, so {', '.join(ignored)} would do nothing here. Give fewer "
            "examples, e.g. task.train[:200]; in a recipe the key selects them."
        )
    config = check(FeedbackConfig, (config or FeedbackConfig()).model_dump() | settings, "feedback cannot be done so")
    task = task or (examples.task if isinstance(examples, Split) else None)
    progress_file = ProgressFile(out)
    with _open_ledger(ledger, out) as opened_ledger:
        roles, base_judge = _open_models(weak, strong, labeller, judge, prompts, config, opened_ledger, seed)
        collaboration = Collaboration(
            roles["weak"],
            roles["strong"],
            format=format,
            prompts=prompts,
            weak_sampling=weak_sampling,
            strong_sampling=strong_sampling,
        )
        annotator = make_annotator(config, collaboration, base_judge, reward, roles.get("labeller"))
        controlled = draw_null_control(examples, config.null_control, seed)
        most_drafts = config.samples if config.until_pair else None
        setting = FeedbackSetting(roles, base_judge, collaboration, annotator, controlled, most_drafts)
        num_saved_before = base_judge.num_calls_saved
        asks_judge = config.kind not in COMPARING and roles.keys() & base_judge.models.keys()
        calls_per_verdict = base_judge.num_calls_per_verdict if asks_judge else 0
        calls_per_draft = 0 if config.kind == SOLO else annotator.num_calls_per_draft + calls_per_verdict
        with FeedbackResults(
            out,
            collaboration,
            task,
            Counts(config.samples, calls_per_draft, until_pair=config.until_pair),
            controlled=controlled if config.null_control else None,
            samples=2 if config.until_pair else config.samples,
        ) as results:
            title, limit = f"feedback ({config.kind})", None
            if config.spend is not None:
                limit = spend_limit(config.spend, config.kind, config.samples, collaboration, base_judge, roles)
            annotate_all(examples, setting, progress_file, title, num_in_flight, add=results.add, limit=limit)
            summary = results.publish(
                roles,
                kind=config.kind,
                max_pairs=config.max_pairs,
                seed=seed,
                num_identical=base_judge.num_calls_saved - num_saved_before,
            )
    progress_file.remove()
    if config.spend is not None:
        num_left = len(examples) - summary.num_examples
        summary = summary.model_copy(update={"spend_usd": config.spend, "num_not_asked": num_left})
    # Written last, since it marks the round as finished.
    summary.model_copy(update={"wall_s": round(time.monotonic() - started, 3)}).write(out / "summary.json")
    return list(read_rows(out / "pairs.jsonl", PreferencePair, "preference pair")) if load_pairs else []


def _open_ledger(ledger: Ledger | None, out: Path) -> contextlib.AbstractContextManager[Ledger]:
    """The given ledger, which stays open, or a new one in `out`, which is closed at the end."""
    if ledger is not None:
        return contextlib.nullcontext(ledger)
    return contextlib.closing(Ledger(out / "ledger.sqlite"))


def _open_models(
    weak: Openable,
    strong: Openable,
    labeller: Openable | None,
    judge: Judge | None,
    prompts: Prompts | None,
    config: FeedbackConfig,
    ledger: Ledger,
    seed: int,
) -> tuple[dict[str, Metered], BaseJudge]:
    """The models by role, and the judge."""
    shared_with = ("judge",) if judge is None else ()
    roles = {
        "weak": open_model(weak, role="weak", ledger=ledger, seed=seed),
        "strong": open_model(strong, role="strong", ledger=ledger, seed=seed, shared_with=shared_with),
    }
    if judge is None:
        judge = ModelJudge(open_model(roles["strong"], role="judge", ledger=ledger, seed=seed), prompts)
    base_judge = as_base_judge(judge)
    roles |= {role: model for role, model in base_judge.models.items() if isinstance(model, Metered)}
    if config.kind == RLAIF and (chosen_labeller := labeller or config.labeller):
        roles["labeller"] = open_model(chosen_labeller, role="labeller", ledger=ledger, seed=seed)
    return roles, base_judge


def make_annotator(
    config: FeedbackConfig,
    collaboration: Collaboration,
    judge: Judge,
    reward: RewardModel | None = None,
    labeller: ChatModel | None = None,
) -> BaseAnnotator:
    """The annotator of a config; the arguments are as in `feedback`.

    Raises:
        InputError: there is no such kind, or `drafts` does not go with it.
    """
    return load_annotator(
        config.kind,
        collaboration,
        judge,
        samples=config.samples,
        skip_settled=config.skip_settled,
        until_pair=config.until_pair,
        reward=reward,
        labeller=labeller,
        labeller_sampling=None if config.labeller is None else config.labeller.sampling,
    )
