"""`cowest serve RECIPE [key=value ...] --host 127.0.0.1 --port 8000 --workers 1`."""

import argparse
import importlib.util
from collections.abc import Callable
from typing import TypedDict

from cowest.cli._recipe import add_recipe_arguments, open_pipeline

PACKAGES = ("prometheus_client", "starlette", "uvicorn")


class _At(TypedDict):
    host: str
    port: int
    on_start: Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe, the host, the port and the number of processes."""
    add_recipe_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="an address other than loopback needs COWEST_API_KEY")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port, the limits and the load")
    parser.add_argument("--worker", help=argparse.SUPPRESS)  # what a process of several is started with


def run(options: argparse.Namespace) -> None:
    """Serves the pair as it is now, until it is stopped.

    Raises:
        InputError: nothing is trained yet, a package or a key is missing, or the address cannot be bound.
    """
    import logging
    import sys

    from cowest.errors import InputError

    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise InputError(f"serve needs {', '.join(missing)}. Run: pip install 'cowest[serve]'")
    from cowest import serving

    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("cowest").setLevel(logging.INFO)
    key = serving.api_key(options.host)
    # Serving only reads the trained models, so it needs neither the run's lock nor its ledger.
    pipeline = open_pipeline(options)
    pipeline.check_names()
    serving.check_workers(pipeline.recipe, options.workers)
    collaboration = pipeline.collaboration(kept=False)
    app = serving.make_app(pipeline.recipe, collaboration, key=key)
    place = serving.WorkerPlace.parse(options.worker) if options.worker else None

    def report(url: str) -> None:
        if place is not None:
            place.serving()
        else:
            print(f"serving {pipeline.folder.path.name} at {url}/v1", file=sys.stderr, flush=True)

    at: _At = {"host": options.host, "port": options.port, "on_start": report}
    if options.workers > 1:
        command = [sys.executable, "-m", "cowest", "serve", options.recipe, *options.overrides]
        command += [*serving.shares(pipeline.recipe, options.workers), "--host", options.host]
        serving.serve_with_workers(command, options.workers, drain_s=pipeline.recipe.serve.drain_s, **at)
        return
    serving.warm_up(pipeline.recipe, collaboration)
    serving.serve(app, pipeline.recipe, listener=place.take() if place else None, **at)
