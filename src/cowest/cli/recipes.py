"""`cowest recipes [NAME --to FILE]`."""

import argparse

from cowest.cli._lines import print_lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the name of a recipe and the file to copy it to."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="as the list shows it, e.g. medmcqa; alone: prints it")
    parser.add_argument("--to", metavar="FILE", help="the file to write; one that exists is left alone")


def run(options: argparse.Namespace) -> None:
    """Lists the recipes that ship with the package, prints one, or copies it.

    Raises:
        InputError: there is no such recipe, or the file exists.
    """
    from pathlib import Path

    from cowest.errors import InputError
    from cowest.shipped_recipes import shipped_recipes, text_of

    if options.name is None:
        if options.to is not None:
            raise InputError("--to needs the name of a recipe, e.g. cowest recipes medmcqa --to medmcqa.yaml")
        for name, about in shipped_recipes().items():
            print_lines(f"{name:<24} {about}", indent=25)
        return
    text = text_of(options.name)
    if options.to is None:
        print(text, end="")
        return
    path = Path(options.to).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{str(path)!r} already exists and is left as it is. Give another --to.") from error
    print(f"Wrote {path}. Write the paths of your data files into it; then: cowest doctor {path}")
