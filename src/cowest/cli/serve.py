"""`cowest serve RECIPE [key=value ...] --host 127.0.0.1 --port 8000 --workers 1`."""

import argparse
from collections.abc import Callable
from typing import TypedDict

from cowest.cli._recipe import add_recipe_arguments


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
    from pathlib import Path

    from cowest import verbs

    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("cowest").setLevel(logging.INFO)
    ready = verbs.prepare_endpoint(options.recipe, options.overrides, options.host, num_workers=options.workers)
    from cowest import serving

    place = serving.WorkerPlace.parse(options.worker) if options.worker else None

    def report(url: str) -> None:
        if place is not None:
            place.serving()
        else:
            print(f"serving {Path(ready.recipe.run).absolute().name} at {url}/v1", file=sys.stderr, flush=True)

    at: _At = {"host": options.host, "port": options.port, "on_start": report}
    if options.workers > 1:
        command = [sys.executable, "-m", "cowest", "serve", options.recipe, *options.overrides]
        command += [*serving.shares(ready.recipe, options.workers), "--host", options.host]
        serving.serve_with_workers(command, options.workers, drain_s=ready.recipe.serve.drain_s, **at)
        return
    serving.warm_up(ready.recipe, ready.pair)
    serving.serve(ready.app, ready.recipe, listener=place.take() if place else None, **at)
