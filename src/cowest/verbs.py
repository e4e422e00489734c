"""The verbs of the command line as functions of a recipe: `cowest.run`, `gate`, `run_bench`, `serve`, `endpoint`."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cowest import progress
from cowest.bench import run_bench as run_cells
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.pipeline import Pipeline
from cowest.recipe import Recipe, load_recipe
from cowest.records import BenchResults, EvaluationResults, GateResults
from cowest.report import write_page

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from cowest.serving import BackgroundServer

RecipeSource = str | Path | Recipe
"""A YAML file, `package:file`, the folder of a run, or a recipe that is loaded already."""

_SERVING_PACKAGES = ("prometheus_client", "starlette", "uvicorn")


def run(recipe: RecipeSource, *overrides: str, force: bool = False) -> EvaluationResults:
    """Every stage of a recipe and then the evaluation, as `cowest run`; the same call resumes it.

    Writes the run's folder and its page, `report.html`.

    Args:
        recipe: a YAML file, `package:file`, a run's folder, or a `Recipe`.
        overrides: as on the command line, e.g. "feedback.samples=8".
        force: whether finished results of other settings are replaced, once the new ones are whole.

    Raises:
        InputError: the recipe, its data or a model is wrong.
        EndpointError, BudgetError, InterruptedRun: the same call goes on where it stopped.
    """
    with _pipeline(recipe, overrides) as pipeline:
        results = pipeline.run(force=force)
        write_page(pipeline.folder.path)
    return results


def gate(recipe: RecipeSource, *overrides: str, force: bool = False) -> GateResults:
    """Learns which requests the draft alone, the strong model alone or both should answer, as `cowest gate`.

    Args:
        recipe, overrides: as for `run`; `serve.gate` has the target.
        force: whether a finished gate of other models, prompts or sampling is replaced.

    Raises:
        InputError: nothing is trained yet, there is no validation split, or there is such a gate and no `force`.
        EndpointError, BudgetError, InterruptedRun: the same call goes on where it stopped.
    """
    with _pipeline(recipe, overrides) as pipeline:
        results = pipeline.gate(force=force)
        write_page(pipeline.folder.path)
    return results


def run_bench(recipe: RecipeSource, *overrides: str, force: bool = False) -> BenchResults:
    """Every row of the paper's Table 1, its sweeps, and which of its claims hold, as `cowest bench`.

    Args:
        recipe, overrides, force: as for `run`; the section `bench` says what is measured.

    Raises:
        InputError: the recipe or that of a cell is wrong, or matplotlib is missing.
        EndpointError, BudgetError, InterruptedRun: the same call goes on where it stopped.
        CowestError: every row failed.
    """
    return run_cells(_loaded(recipe, overrides), say=_say, force=force)


def serve(recipe: RecipeSource, *overrides: str, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serves the pair as it is now as an OpenAI-compatible endpoint, until Ctrl-C or SIGTERM, as `cowest serve`.

    In a notebook use `endpoint`, which does not block.

    Args:
        recipe, overrides: as for `run`; the section `serve` has the limits.
        host: an address other than loopback needs a key in COWEST_API_KEY.
        port: 0 chooses a free one.

    Raises:
        InputError: nothing is trained yet, a package or a key is missing, or the address cannot be listened at.
        KeyboardInterrupt: after Ctrl-C, when everything is closed.
    """
    ready = prepare_endpoint(recipe, overrides, host)
    from cowest import serving

    def say(url: str) -> None:
        print(f"serving {Path(ready.recipe.run).absolute().name} at {url}/v1", file=sys.stderr, flush=True)

    serving.warm_up(ready.recipe, ready.pair)
    serving.serve(ready.app, ready.recipe, host=host, port=port, on_start=say)


def endpoint(recipe: RecipeSource, *overrides: str, host: str = "127.0.0.1", port: int = 0) -> "BackgroundServer":
    """The same endpoint in the background, for a notebook or a test of your application.

        with cowest.endpoint("mine.yaml") as server:
            client = openai.OpenAI(base_url=server.url, api_key="none")

    It answers until the context ends, `close` is called, or the process ends.

    Args:
        recipe, overrides, host: as for `serve`.
        port: 0 chooses a free one.

    Returns:
        The endpoint, with its `url`.

    Raises:
        InputError: as `serve`.
        CowestError: it could not start.
    """
    ready = prepare_endpoint(recipe, overrides, host)
    from cowest import serving

    serving.warm_up(ready.recipe, ready.pair)
    return serving.BackgroundServer(ready.app, ready.recipe, host=host, port=port)


class Endpoint(NamedTuple):
    """A recipe's endpoint before it listens, and the pair that answers."""

    recipe: Recipe
    app: "Starlette"
    pair: Collaboration


def prepare_endpoint(recipe: RecipeSource, overrides: Sequence[str], host: str, *, num_workers: int = 1) -> Endpoint:
    """Opens the pair of a recipe to be served at `host`, without loading weights.

    Raises:
        InputError: as `serve`, or so many processes cannot share a model.
    """
    if missing := [name for name in _SERVING_PACKAGES if importlib.util.find_spec(name) is None]:
        raise InputError(f"serve needs {', '.join(missing)}. Run: pip install 'cowest[serve]'")
    from cowest import serving

    key = serving.api_key(host)
    # Serving only reads the trained models, so it needs neither the run's lock nor its ledger.
    pipeline = _pipeline(recipe, overrides)
    pipeline.check_names()
    serving.check_workers(pipeline.recipe, num_workers)
    pair = pipeline.collaboration(kept=False)
    return Endpoint(pipeline.recipe, serving.make_app(pipeline.recipe, pair, key=key), pair)


def _pipeline(recipe: RecipeSource, overrides: Sequence[str]) -> Pipeline:
    return Pipeline(_loaded(recipe, overrides), say=_say)


def _loaded(recipe: RecipeSource, overrides: Sequence[str]) -> Recipe:
    if not isinstance(recipe, Recipe):
        return load_recipe(recipe, list(overrides))
    if overrides:
        raise InputError(
            f"{overrides[0]!r} would change a recipe that is loaded already. Give it to load_recipe, or give the file."
        )
    return recipe


def _say(line: str) -> None:
    progress.say(line, about=line)
