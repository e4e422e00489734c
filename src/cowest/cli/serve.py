"""`cowest serve RECIPE [key=value ...] --host 127.0.0.1 --port 8000`."""

import argparse

from cowest.cli._recipe import add_recipe_arguments


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

    from cowest import verbs

    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("cowest").setLevel(logging.INFO)
    verbs.serve(options.recipe, *options.overrides, host=options.host, port=options.port)
