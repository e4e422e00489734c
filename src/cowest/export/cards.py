"""The cards: what the weights and the pairs are, how they were made, what was measured, and what that does not say."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cowest import words
from cowest.export.finished import Finished, public_name
from cowest.method_names import label
from cowest.report.headline import headline
from cowest.report.notes import banner
from cowest.statistics import NOT_SHOWN

_FOLDER = Path(__file__).parent


def model_card(run: Finished, *, merged: bool) -> str:
    """README.md of the weights."""
    return _render("model_card.md.j2", run, merged=merged, limits=_limits(run), is_hub_id="/" in run.base)


def data_card(run: Finished, num_pairs: dict[int, int]) -> str:
    """README.md of the pairs.

    Args:
        num_pairs: by round.
    """
    return _render("data_card.md.j2", run, num_pairs=num_pairs)


def _render(name: str, run: Finished, **more: Any) -> str:
    # The cards are Markdown: what is put in is names and numbers of the recipe and the results, no text of a model.
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters["cell"] = lambda value: str(value).replace("|", "\\|").replace("\n", " ")
    recipe = run.recipe
    feedback = recipe.get("feedback") or {}
    return environment.get_template(name).render(
        run=run,
        results=run.results,
        headline=headline(run.results),
        banner=banner(run.results),
        task=run.results.task or public_name(str((recipe.get("task") or {}).get("name", "?"))),
        weak=run.base,
        strong=_strong(recipe),
        judge=_judge(recipe),
        feedback=feedback,
        format=recipe.get("format", "?"),
        version=recipe.get("cowest_version", "?"),
        label=label,
        words=words,
        **more,
    )


def _strong(recipe: dict[str, Any]) -> str:
    model = (recipe.get("strong") or {}).get("model", "?")
    return public_name(model) if str(model).startswith("local/") else str(model)


def _judge(recipe: dict[str, Any]) -> str:
    judge = recipe.get("judge", "strong")
    if judge == "strong":
        return f"the strong model itself ({_strong(recipe)})"
    if isinstance(judge, dict) and "model" in judge:
        model = str(judge["model"])
        return public_name(model) if model.startswith("local/") else model
    return f"{judge['name']}, a program without a model" if isinstance(judge, dict) and "name" in judge else str(judge)


def _limits(run: Finished) -> list[str]:
    """What the numbers do not mean."""
    results = run.results
    found = [note] if (note := banner(results)) else []
    found.append(
        f"Measured with the strong model {_strong(run.recipe)} and the drafts' format {run.recipe.get('format', '?')}. "
        "With another strong model or format the gain is not known."
    )
    found.append(
        f"{words.plural(results.num_examples, 'example')} of one task; the intervals say how much another draw of "
        "examples would change the numbers, not how another task would."
    )
    unclear = [each for each in results.comparisons if each.verdict == NOT_SHOWN and each.a == results.pair]
    found += [
        f"Not clearly different: {label(each.a)} and {label(each.b)} "
        f"({words.points(each.difference)} points {words.interval(each.ci95)})."
        for each in unclear
        if each.metric in ("", results.headline_metric)
    ]
    for name, row in results.methods.items():
        if row.num_failed:
            failed = words.plural(row.num_failed, "example")
            found.append(f"{label(name)}: {failed} got no reply and count as wrong.")
    for each in run.rounds:
        if each.feedback.num_unscored:
            found.append(
                f"Round {each.number}: {words.plural(each.feedback.num_unscored, 'draft')} of "
                f"{words.count(each.feedback.num_drafts)} could not be judged and are in no pair."
            )
    return found
