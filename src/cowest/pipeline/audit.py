"""The audit of a run: from its files alone, and with swapped words where they are asked for, which makes calls."""

from collections.abc import Sequence
from pathlib import Path

from cowest import runs, words
from cowest.auditing import AUDIT, WordSwap, examine, read_audit, read_pairs
from cowest.checking import check
from cowest.errors import InputError
from cowest.pipeline.context import RunContext
from cowest.pipeline.evaluation import RESULTS, current_pair, require_same_training
from cowest.pipeline.models import num_in_flight
from cowest.pipeline.pipeline import Pipeline
from cowest.pipeline.progress import Say
from cowest.recipe import Recipe, load_recipe
from cowest.records import AuditResults, EvaluationResults, Swaps
from cowest.stages.swaps import AuditConfig, calls_at_most, choose, measure_swaps

SwappedWords = str | Path | Sequence[tuple[str, str]]
"""A file with two words on each line, or pairs of words."""


def audit(
    run: str | Path,
    *,
    swaps: SwappedWords | bool = False,
    limit: int | None = None,
    min_slice: int | None = None,
    say: Say = lambda line: None,
) -> AuditResults:
    """Audits the evaluation of a run and writes RUN/evaluate/audit.json.

    Without `swaps` it makes no calls and works from the run's files alone; what an earlier audit of the same
    evaluation found with swapped words is kept.

    Args:
        run: the run's folder, or its recipe.
        swaps: words that are swapped in the queries, which are then asked again, a paid call each; True for those of
            the recipe (`audit.swaps`).
        limit: examples that are asked at most; by default as the recipe says, 200 where it says nothing.
        min_slice: fewest examples of a slice that is tested; by default as the recipe says, else 30.
        say: called with one line about the calls before any is made.

    Returns:
        The content of audit.json; `print` shows it as tables, a notebook as HTML, and `to_pandas` gives the slices.

    Examples:
        >>> import cowest
        >>> task = cowest.task("cowest.lab.task:Formulary")
        >>> weak, strong = (cowest.ScriptedModel(lambda request: "Answer: sedative") for _ in range(2))
        >>> pair = cowest.Collaboration(weak, strong)
        >>> results = cowest.evaluate(task.test[:40], {"strong_only": strong, "collaborate": pair}, out="mine/evaluate")
        >>> cowest.audit("mine", min_slice=10)
        AuditResults(task='formulary', pair='collaborate', num_examples=40, num_slices=..., findings=[...])

    Raises:
        InputError: the run holds no finished evaluation of the pair and the strong model alone, a file is broken, or no
            query holds a word that is to be swapped.
        EndpointError: an endpoint failed for good, or a call of every example failed.
    """
    folder, config = _opened(run)
    least = min_slice or config.min_slice
    found = examine(folder, least)  # before anything is paid for
    if swaps is False:
        earlier = read_audit(folder)
        measured = earlier.swaps if earlier else None
    else:
        recipe = _recipe(run, folder)
        swap = _swap(recipe, swaps)
        with Pipeline(recipe, say) as pipeline:
            measured = _measure(pipeline.context, found.pair, swap, limit or recipe.audit.limit)
    if measured is not None:
        found = examine(folder, least, measured)
    found.write(folder.evaluate / AUDIT)
    return found


def _opened(run: str | Path) -> tuple[runs.RunFolder, AuditConfig]:
    """The run's folder and its recipe's section; the rest of the recipe matters where calls are made only."""
    if Path(run).expanduser().is_file():
        recipe = load_recipe(run)
        return runs.begun(recipe.run), recipe.audit
    folder = runs.begun(run)
    section = folder.read_recipe().get("audit") or {}
    return folder, check(AuditConfig, section, f"The section audit of {str(folder.recipe)!r} is not valid")


def _recipe(run: str | Path, folder: runs.RunFolder) -> Recipe:
    recipe = load_recipe(run)
    if Path(recipe.run).expanduser().resolve() == folder.path.resolve():
        return recipe
    return recipe.model_copy(update={"run": str(folder.path)})  # a run that was moved or copied


def _swap(recipe: Recipe, swaps: SwappedWords | bool) -> WordSwap:
    named = recipe.audit.swaps if swaps is True else swaps
    if named is None or isinstance(named, bool):
        raise InputError(
            "The recipe names no words to swap. Give a file with two words on each line: --swaps FILE, or write "
            "audit.swaps: FILE into the recipe."
        )
    return WordSwap(read_pairs(named) if isinstance(named, str | Path) else named)


def _measure(context: RunContext, pair_name: str, swap: WordSwap, limit: int) -> Swaps:
    recipe = context.recipe
    require_same_training(context)
    row = EvaluationResults.read(context.folder.evaluate / RESULTS).methods.get(pair_name)
    evaluated = 0 if row is None else row.round or 0
    finished = context.weak.num_rounds_done()
    if evaluated != finished:
        raise InputError(
            f"The evaluation is of the pair after {words.plural(evaluated, 'round')}, and the pair would now be asked "
            f"after {words.plural(finished, 'round')}. Run `cowest evaluate` again, then the audit."
        )
    asked = choose(context.data.evaluation(), swap, limit, recipe.seed)
    pair = current_pair(context, kept=True)
    calls = ", ".join(f"{role} {words.count(number)}" for role, number in calls_at_most(asked, pair).items())
    context.say(
        f"audit: {words.plural(asked.num_matching, 'query')} of the evaluation hold a word that is swapped, "
        f"{words.count(len(asked.examples))} are asked (audit.limit); calls at most: {calls}; those in the ledger are "
        "not paid again"
    )
    return measure_swaps(asked, swap, pair, context.data.task, num_in_flight(recipe, len(asked.examples)))
