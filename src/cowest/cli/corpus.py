"""`cowest corpus SOURCE [SOURCE ...] --text FIELD [FIELD ...] --to FILE`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the sources, the fields and the file to write."""
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="a data file as a task takes it, or hub:NAME[@CONFIG][:SPLIT]"
    )
    parser.add_argument(
        "--text", required=True, nargs="+", metavar="FIELD", help="fields that hold a text or a list of texts"
    )
    parser.add_argument("--to", required=True, metavar="FILE", help="the corpus: a .jsonl file")


def run(options: argparse.Namespace) -> None:
    """Writes the corpus and prints how to name it in a recipe."""
    from cowest.corpus import write_corpus

    counts = write_corpus(options.sources, options.text, options.to)
    print(
        f"{counts.num_texts:,} texts in {options.to} ({counts.num_empty:,} rows without text and "
        f"{counts.num_repeated:,} repeated ones left out). In the recipe: retrieval: {{corpus: {options.to}}}"
    )
