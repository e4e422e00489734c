"""`cowest serve RECIPE [key=value ...] --host 127.0.0.1 --port 8000`."""

import argparse
import importlib.util

from cowest.cli._recipe import add_recipe_arguments, open_pipeline

PACKAGES = ("prometheus_client", "starlette", "uvicorn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe, the host and the port."""
    add_recipe_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="an address other than loopback needs COWEST_API_KEY")
    parser.add_argument("--port", type=int, default=8000)


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
    collaboration = pipeline.collaboration(kept=False)
    app = serving.make_app(pipeline.recipe, collaboration, key=key)
    serving.warm_up(pipeline.recipe, collaboration)
    serving.serve(
        app,
        pipeline.recipe,
        host=options.host,
        port=options.port,
        on_start=lambda url: print(f"serving {pipeline.folder.path.name} at {url}/v1", file=sys.stderr, flush=True),
    )
