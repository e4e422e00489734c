"""`cowest ask RECIPE "question" [--show-draft]`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds recipe, question, overrides and --show-draft."""
    parser.add_argument("recipe", help="a YAML file, package:file, or a run's folder")
    parser.add_argument("question")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--show-draft", action="store_true", help="print the weak model's draft too")


def run(options: argparse.Namespace) -> None:
    """Asks the pair and prints the strong model's answer."""
    from cowest import synchronous
    from cowest.characters import printable
    from cowest.cli._recipe import open_pipeline

    with open_pipeline(options) as pipeline:
        exchange = synchronous.run(pipeline.collaboration().exchange(options.question))
    if options.show_draft:
        print(f"Draft of the weak model:\n{printable(exchange.draft.text)}\n\nAnswer of the strong model:")
    print(printable(exchange.output.text))
