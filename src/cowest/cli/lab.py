"""`cowest lab build --out FOLDER [--world-seed N] [--training-seed N]`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the lab's only action, `build`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser(
        "build", help="builds world, tokenizer and models from scratch in about half an hour on two cores"
    )
    build.add_argument("--out", required=True, help="the folder to write")
    build.add_argument("--world-seed", type=int, default=0)
    build.add_argument("--training-seed", type=int, default=0)


def run(options: argparse.Namespace) -> None:
    """Builds a lab and prints how to use it."""
    from cowest.lab.build import build

    build(options.out, world_seed=options.world_seed, training_seed=options.training_seed)
    print(f"Use it with: cowest quickstart --lab {options.out}")
