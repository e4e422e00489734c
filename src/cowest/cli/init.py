"""`cowest init [--train FILE] [--test FILE] [--yes] [--out RECIPE] [--force]`."""

import argparse
from typing import TYPE_CHECKING, Any

from cowest.cli._lines import print_lines

if TYPE_CHECKING:
    from cowest.new_recipe import Draft, Wishes

_FILE = "a .csv, .tsv, .json, .jsonl or .parquet file, also .gz, or hub:NAME"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the files, the columns, the models and the recipe to write."""
    parser.add_argument("--train", metavar="FILE", help=_FILE)
    parser.add_argument("--validation", metavar="FILE", help="a further file, such as for the gate")
    parser.add_argument("--test", metavar="FILE", help="by default, a fifth of the questions of --train")
    parser.add_argument("--question", metavar="COLUMN", help="the columns are guessed where they are not given")
    parser.add_argument("--answer", metavar="COLUMN")
    parser.add_argument("--kind", choices=["open", "choice", "label"], help="how answers are scored")
    parser.add_argument("--choices", metavar="COLUMN", nargs="+", help="a column with lists of options, or one each")
    parser.add_argument("--index-from", type=int, choices=[0, 1], help="where answers are the indices of options")
    parser.add_argument("--context", metavar="COLUMN", help="is put before the question")
    parser.add_argument("--explanation", metavar="COLUMN", help="a reference explanation, for training")
    parser.add_argument("--group", metavar="COLUMN", help="what a row belongs to, such as a document")
    parser.add_argument("--weak", metavar="MODEL", help="the small model: local/NAME, or PROVIDER/NAME")
    parser.add_argument("--weak-url", metavar="URL", help="endpoint of the weak model, where it is on a server")
    parser.add_argument("--strong", metavar="MODEL", help="the large model: PROVIDER/NAME")
    parser.add_argument("--base-url", metavar="URL", help="endpoint of the strong model")
    parser.add_argument("--out", metavar="RECIPE", default="recipe.yaml", help="the file to write: recipe.yaml")
    parser.add_argument("--yes", action="store_true", help="ask nothing: take the guesses")
    parser.add_argument("--force", action="store_true", help="replace files that exist")


def run(options: argparse.Namespace) -> None:
    """Reads the files, asks what cannot be known, writes the recipe and says what was found.

    Raises:
        InputError: a file or a column is missing, or a file would be overwritten; nothing was written.
    """
    from cowest.errors import InputError
    from cowest.new_recipe import make_draft, write_recipe

    if options.train is None:
        if options.yes:
            raise InputError("--yes asks nothing, so --train must name the data file.")
        options.train = _ask("Your data file", None)
        options.test = options.test or _ask("A test file (empty: a fifth of the questions)", "")
    draft = make_draft(_wishes(options))
    if not options.yes:
        _ask_what_was_guessed(options, draft)
        draft = make_draft(_wishes(options))
    for key, guess in draft.task.items():
        print_lines(f"{key + ':':<13} {guess.value!r:<30} {guess.reason}", indent=14)
    if draft.unused:
        print_lines(f"{'not used:':<13} {', '.join(map(repr, draft.unused))}", indent=14)
    recipe, *files = write_recipe(draft, force=options.force)
    print_lines(f"\nWrote {', '.join(map(str, (recipe, *files)))}. Next: cowest doctor {recipe}")


def _wishes(options: argparse.Namespace) -> "Wishes":
    from dataclasses import fields
    from pathlib import Path

    from cowest.new_recipe import Wishes

    given: dict[str, Any] = {field.name: getattr(options, field.name) for field in fields(Wishes)}
    given["out"] = Path(options.out).expanduser()
    return Wishes(**{key: value for key, value in given.items() if value is not None})


def _ask_what_was_guessed(options: argparse.Namespace, draft: "Draft") -> None:
    """Asks for columns, kind and models that no flag gave, each with its guess; Enter takes it."""
    print(f"Columns: {', '.join(draft.columns)}")
    for key in ("question", "answer", "kind"):
        if getattr(options, key) is None:
            guess = draft.task[key]
            setattr(options, key, _ask(f"{key} ({guess.reason})", guess.value))
    options.weak = options.weak or _ask("weak model", draft.wishes.weak)
    options.strong = options.strong or _ask("strong model", draft.wishes.strong)
    options.base_url = options.base_url or _ask("its endpoint's URL (empty: the provider's own)", "") or None


def _ask(what: str, default: str | None) -> str:
    from cowest.characters import printable
    from cowest.errors import InputError

    shown = f" [{default}]" if default else ""
    try:
        answer = input(printable(f"{what}{shown}: ")).strip()
    except EOFError as error:
        raise InputError(f"There is nobody to ask ({what}). Say --yes to take the guesses.") from error
    if not answer and default is None:
        raise InputError(f"{what}: this cannot be empty.")
    return answer or str(default)
