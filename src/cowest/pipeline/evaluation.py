"""The stages that measure, the evaluation and the gate; and the pair in its current state."""

from collections.abc import Mapping

from cowest import fingerprints, runs
from cowest.collaboration import Collaboration
from cowest.gating.calibration import RESULT as GATE
from cowest.gating.calibration import calibrate
from cowest.gating.figure import draw_gate
from cowest.gating.table import gate_page
from cowest.methods import Setting, make_methods
from cowest.models import ChatModel, open_model, spread
from cowest.pipeline.context import RunContext
from cowest.pipeline.explanations import explanations_behind
from cowest.pipeline.factories import evaluation_pair, method_setting
from cowest.pipeline.models import num_in_flight
from cowest.pipeline.provenance import EVALUATION_DEPENDENCIES, GATE_DEPENDENCIES, TRAINING_DEPENDENCIES
from cowest.records import EvaluationResults, FeedbackSummary, GateResults, StageInputs, TrainingRecord
from cowest.records.spend import with_alignment
from cowest.retrieval import Retriever
from cowest.stages.evaluate import evaluate
from cowest.training.trained import DONE_MARKER

RESULTS = "results.json"


def run_evaluation(context: RunContext, *, force: bool = False) -> EvaluationResults:
    """Evaluates the recipe's methods with the rounds finished so far; skipped where that is done.

    Args:
        force: whether finished results of other settings are replaced, once the new ones are whole.

    Raises:
        InputError: SFT or finished results belong to another recipe, or a method cannot be used with this one.
    """
    recipe, out = context.recipe, context.folder.evaluate
    runs.put_back(out)
    require_same_training(context)
    retriever = retriever_of(context)
    examples, inputs = context.data.evaluation(), evaluation_inputs(context, retriever)
    results_file = out / RESULTS
    if results_file.is_file() and context.provenance.is_made_from(out, EVALUATION_DEPENDENCIES, inputs):
        results = EvaluationResults.read(results_file)
        failed = [name for name, row in results.methods.items() if row.failed is not None]
        if not failed:
            context.say("evaluate: done before")
            _report_failures(context, results)
            return results
        context.say(f"evaluate: once more, since every call of {', '.join(failed)} failed")
    if not force:
        require_same_results(context, inputs)
    context.say("evaluate")
    with context.models.closed_afterwards():
        strong = context.models.strong()
        weak = {name: context.models.model(config, "weak") for name, config in context.weak.stages().items()}
        methods = make_methods(recipe.evaluate.methods, setting_of(context, weak, strong, retriever))
        with runs.replacing(out, RESULTS) as folder:
            inputs.write(folder / fingerprints.INPUTS)
            if folder == out:  # no earlier results, which the recipe kept before would belong to
                context.provenance.keep_recipe()
            results = evaluate(
                examples,
                methods,
                task=context.data.task,
                out=folder,
                seed=recipe.seed,
                num_in_flight=num_in_flight(recipe, len(examples)),
                summaries=_summaries(context),
                explanations=explanations_behind(context),
            )
    context.provenance.keep_recipe()
    _report_failures(context, results)
    with context.trackers.stage("evaluate") as log:
        log(_figures(results), len(context.weak.finished_rounds()))
    return results


def evaluation_inputs(context: RunContext, retriever: Retriever | None) -> StageInputs:
    """What determines the results of the evaluation, with the rounds finished so far."""
    return context.provenance.inputs(
        EVALUATION_DEPENDENCIES,
        context.data.evaluation(),
        rounds_done=len(context.weak.finished_rounds()),
        corpus=None if retriever is None else retriever.digest,
    )


def require_same_results(context: RunContext, inputs: StageInputs) -> None:
    """Refuses to replace finished results of other settings.

    Raises:
        InputError: there are such results; the message names each difference.
    """
    out = runs.finished_folder(context.folder.evaluate)
    if (out / RESULTS).is_file():
        context.provenance.require_same_results("evaluate", out, EVALUATION_DEPENDENCIES, inputs)


def run_gate(context: RunContext, *, force: bool = False) -> GateResults:
    """Learns `serve.gate` on the validation split with the pair as it is now, and writes the files of the gate.

    Args:
        force: whether a finished gate of other models, prompts or sampling is replaced.

    Raises:
        InputError: SFT or a finished gate belongs to another recipe, or this one does not allow a gate.
    """
    recipe, out = context.recipe, context.folder.gate
    require_same_training(context)
    inputs = context.provenance.inputs(GATE_DEPENDENCIES, (), rounds_done=len(context.weak.finished_rounds()))
    inputs = inputs.model_copy(update={"examples": None})  # changed rows are reported, not refused
    if (out / GATE).is_file() and not force:
        context.provenance.require_same_results("gate", out, GATE_DEPENDENCIES, inputs)
    validation, test = context.data.gate()
    result = calibrate(
        validation,
        test,
        pair=current_pair(context, kept=True),
        task=context.data.task,
        config=recipe.serve.gate,
        models={"weak": recipe.weak, "strong": recipe.strong},
        out=out,
        seed=recipe.seed,
        num_in_flight=None,
        say=context.say,
    )
    inputs.write(out / fingerprints.INPUTS)
    runs.write_text(out / "gate.md", gate_page(result))
    if not draw_gate(result, out / "curve"):
        context.say("gate: no figure of the curve, which needs matplotlib: pip install 'cowest[bench]'")
    context.provenance.keep_recipe()
    return result


def current_pair(context: RunContext, *, kept: bool) -> Collaboration:
    """The strong model with the weak one after the last finished round, or after SFT; never in batches.

    Args:
        kept: whether calls are looked up and stored in the ledger.

    Raises:
        InputError: SFT is not finished.
    """
    recipe = context.recipe
    configs = {"weak": context.weak.after_round(context.weak.num_rounds_done()), "strong": recipe.strong}
    ledger = context.ledger if kept else None
    weak, strong = (
        open_model(
            config.model_copy(update={"batch": False}),
            role=role,
            ledger=ledger,
            seed=recipe.seed,
            fleet=context.fleet,
        )
        for role, config in configs.items()
    )
    if context.cluster is not None:
        weak, strong = spread(weak, context.cluster), spread(strong, context.cluster)
    return evaluation_pair(recipe, context.prompts, weak, strong)


def setting_of(
    context: RunContext, weak: Mapping[str, ChatModel], strong: ChatModel, retriever: Retriever | None
) -> Setting:
    """The setting from which the recipe's methods are made; `weak` has the weak model's stages by name."""
    return method_setting(context.recipe, context.prompts, context.data, weak, strong, retriever)


def retriever_of(context: RunContext) -> Retriever | None:
    """The retriever over the recipe's corpus; None without a corpus."""
    config = context.recipe.retrieval
    return None if config.corpus is None else Retriever(config.corpus, config.top_k, context.folder.retrieval)


def require_same_training(context: RunContext) -> None:
    """Refuses a weak model that another recipe trained; its data and its strong model may be others.

    Raises:
        InputError: SFT belongs to another recipe.
    """
    if (context.folder.sft / DONE_MARKER).is_file():
        context.provenance.require_same_recipe("sft", context.folder.sft, TRAINING_DEPENDENCIES)


def _figures(results: EvaluationResults) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for method, row in results.methods.items():
        for metric, estimate in row.metrics.items():
            figures[f"{method}/{metric}"] = estimate.value
            if estimate.ci95 is not None:
                figures[f"{method}/{metric}_low"], figures[f"{method}/{metric}_high"] = estimate.ci95
        figures[f"{method}/cost_usd"] = row.cost_usd
    return figures


def _summaries(context: RunContext) -> dict[int, FeedbackSummary]:
    folder = context.folder
    files = {number: folder.feedback(number) / "summary.json" for number in context.weak.finished_rounds()}
    return {
        number: with_alignment(FeedbackSummary.read(file), TrainingRecord.read(folder.align(number) / DONE_MARKER))
        for number, file in files.items()
        if file.is_file()
    }


def _report_failures(context: RunContext, results: EvaluationResults) -> None:
    failed = {name: row.num_failed for name, row in results.methods.items() if row.num_failed}
    if failed:
        counts = ", ".join(f"{name} {count}" for name, count in failed.items())
        context.say(
            f"evaluate: of {results.num_examples} queries each, these failed and count as wrong: {counts}; to retry "
            f"only their calls, delete {str(context.folder.evaluate / 'results.json')!r} and run the same command"
        )
