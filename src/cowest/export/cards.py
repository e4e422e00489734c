"""The cards of the weights and the pairs: what they are, how they were made, what was measured, and the limits."""

from pathlib import Path
from typing import Any

from cowest import quantization, words
from cowest.export.finished import FinishedRun, public_name
from cowest.export.merging import Rounding
from cowest.export.weights import has_own_template
from cowest.method_names import label
from cowest.records import TrainingRecord
from cowest.report.headline import headline
from cowest.report.notes import banner
from cowest.report.templates import environment
from cowest.statistics import NOT_SHOWN

_FOLDER = Path(__file__).parent


def model_card(run: FinishedRun, rounding: Rounding | None) -> str:
    """README.md of the weights.

    Args:
        rounding: what merging them cost; None for the adapter alone.
    """
    return _render(
        "model_card.md.j2",
        run,
        merged=rounding is not None,
        rounding=rounding,
        has_own_template=has_own_template(run),
        quantized=quantization.beside(run.adapter),
        limits=_limits(run),
        is_hub_id="/" in run.base,
        alignment=_alignment(run.trained.metrics),
    )


def data_card(run: FinishedRun, num_pairs: dict[int, int]) -> str:
    """README.md of the pairs.

    Args:
        num_pairs: by round.
    """
    return _render("data_card.md.j2", run, num_pairs=num_pairs)


def _render(name: str, run: FinishedRun, **values: Any) -> str:
    # No escaping: the cards are Markdown, filled with names and numbers of the recipe and the results, never with a
    # model's text.
    templates = environment(_FOLDER, autoescape=False)
    templates.filters["cell"] = lambda value: str(value).replace("|", "\\|").replace("\n", " ")
    recipe = run.recipe
    feedback = recipe.get("feedback") or {}
    return templates.get_template(name).render(
        run=run,
        results=run.results,
        headline=headline(run.results),
        banner=banner(run.results),
        task=run.results.task or public_name(str((recipe.get("task") or {}).get("name", "?"))),
        weak=run.base,
        strong=_strong_name(recipe),
        judge=_judge_name(recipe),
        feedback=feedback,
        format=recipe.get("format", "?"),
        version=recipe.get("cowest_version", "?"),
        label=label,
        words=words,
        **values,
    )


def _strong_name(recipe: dict[str, Any]) -> str:
    return _without_local_path(str((recipe.get("strong") or {}).get("model", "?")))


def _judge_name(recipe: dict[str, Any]) -> str:
    return _judge_text(recipe.get("judge", "strong"), _strong_name(recipe))


def _judge_text(judge: Any, strong: str) -> str:
    if not isinstance(judge, dict):
        return f"the strong model itself ({strong})" if judge == "strong" else str(judge)
    if "name" in judge:
        return f"{judge['name']}, a program without a model"
    if "panel" in judge:
        members = "; ".join(_judge_text(member, strong) for member in judge["panel"])
        name = f"a panel, by {judge.get('rule', 'median')}: {members}"
    else:
        name = _without_local_path(str(judge["model"])) if "model" in judge else _judge_text("strong", strong)
    compared = ", comparing outputs with the strong model's own in both orders, without references"
    return name + (compared if judge.get("reference") == "none" else "")


def _alignment(record: TrainingRecord) -> str | None:
    """The method of the last alignment with its settings; None where there was none, or an older version trained."""
    if record.method is None:
        return None
    settings = record.model_dump(include={"loss", "weight", "beta", "desirable_weight", "undesirable_weight"})
    settings |= {"pairs": record.settings.get("pairs") if record.method == "dpo" else None}
    settings |= {"replay": "of earlier rounds" if record.settings.get("replay") else None}
    given = [
        f"{name.replace('_', ' ')} {format(value, '.3g') if isinstance(value, float) else value}"
        for name, value in settings.items()
        if value is not None
    ]
    return f"{record.method}{' with ' if given else ''}{', '.join(given)}"


def _without_local_path(model: str) -> str:
    return public_name(model) if model.startswith("local/") else model


def _limits(run: FinishedRun) -> list[str]:
    """The limits of the measurements, one sentence each."""
    results = run.results
    limits = [note] if (note := banner(results)) else []
    limits.append(
        f"Measured with the strong model {_strong_name(run.recipe)} and the drafts' format "
        f"{run.recipe.get('format', '?')}. The gain with another strong model or format is unknown."
    )
    limits.append(
        f"{words.plural(results.num_examples, 'example')} of one task; the intervals say how much another sample of "
        "examples would change the numbers, not how another task would."
    )
    unclear = [found for found in results.comparisons if found.verdict == NOT_SHOWN and found.a == results.pair]
    limits += [
        f"Not clearly different: {label(each.a)} and {label(each.b)} "
        f"({words.points(each.difference)} points {words.interval(each.ci95)})."
        for each in unclear
        if each.metric in ("", results.headline_metric)
    ]
    for name, row in results.methods.items():
        if row.num_failed:
            failed = words.plural(row.num_failed, "example")
            limits.append(f"{label(name)}: {failed} got no reply and count as wrong.")
    for each in run.rounds:
        if each.feedback.num_unscored:
            limits.append(
                f"Round {each.number}: {words.plural(each.feedback.num_unscored, 'draft')} of "
                f"{words.count(each.feedback.num_drafts)} could not be judged and are in no pair."
            )
    return limits
