"""Entry point: finds the verb, runs it, and turns an error into one paragraph and an exit status.

Nothing heavy is imported before a verb runs, so that `--help` is fast.
"""
# PYTHON_ARGCOMPLETE_OK

import argparse
import atexit
import importlib
import io
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cowest import cpu_threads
from cowest.characters import printable
from cowest.cli._examples import EXAMPLES
from cowest.cli._lines import fitted

VERBS = {
    "quickstart": "the whole loop on the embedded lab, in three minutes",
    "init": "writes a recipe for your own data file, with the columns it has",
    "recipes": "the recipes that ship: lists them, or copies one",
    "run": "every stage of a recipe, skipping what is done",
    "sft": "supervised fine-tuning of the weak model",
    "feedback": "drafts, refinements and verdicts of the next round, and its preference pairs",
    "align": "preference tuning of the weak model on the pairs",
    "evaluate": "every method on the same examples, with intervals and costs",
    "audit": "whom the pair helps and harms, what it takes from drafts, and whether swapped words change answers",
    "bench": "every row of the paper's Table 1 on one task, its sweeps, and which of its claims hold",
    "doctor": "checks recipe, data, models, keys and machine before anything is spent",
    "plan": "calls, tokens, money and time of a recipe before anything is spent",
    "corpus": "passages for SKR and FLARE, from data files or data sets on the hub",
    "ask": "one question to the pair",
    "gate": "learns which requests the draft alone, the strong model alone or both should answer",
    "judge": "how far the judge can be trusted: orders in what it judges, repeats, wrong answers, length",
    "serve": "the pair as an OpenAI-compatible endpoint",
    "show": "state, pairs, spend, failures and results of a run",
    "view": "every example of one or more runs on a local page",
    "export": "adapter, pairs and their cards, for others to use",
    "ledger": "recovers what can be read of a damaged ledger",
    "lab": "builds the lab's world and models again, from scratch",
}

INTERRUPTED = 130


def make_parser() -> argparse.ArgumentParser:
    """The parser with every verb; the verbs add their own arguments."""
    parser = argparse.ArgumentParser(
        prog="cowest",
        description="Makes a small specialised language model and a large general one work together.",
        epilog="Exit status: 0 done; 2 the input is wrong; 3 an endpoint failed for good; 4 the budget was reached; "
        "130 interrupted; 1 anything else, such as a training that failed or a full disk. "
        "After 3, 4 and 130 the same command continues where it stopped.",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for name, summary in VERBS.items():
        verb = verbs.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog="\n  ".join(["examples:", *EXAMPLES[name]]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        importlib.import_module(f"cowest.cli.{name}").add_arguments(verb)
    return parser


def start() -> NoReturn:
    """Runs the command line as the process's own, and ends the process."""
    cpu_threads.sleep_while_waiting()
    status = main()
    if status == INTERRUPTED:
        # What is open is closed by now. Taking torch's modules apart would take seconds more.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    _make_streams_safe()
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions of a line; this ends the process
        import argcomplete

        argcomplete.autocomplete(parser)
    options = _parse(parser, arguments)
    if options.version:
        from importlib.metadata import version

        print(version("cowest"))
        return 0
    if options.verb is None:
        parser.print_help()
        return 0
    verb = importlib.import_module(f"cowest.cli.{options.verb}")
    try:
        verb.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        if options.debug:
            raise
        return _print_error("interrupted. Everything paid for is kept; the same command continues.", INTERRUPTED)
    except Exception as error:
        from cowest.errors import CowestError

        if options.debug:
            raise
        if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(CowestError.exit_status) from None
        if isinstance(error, OSError):
            return _print_error(
                f"a file or folder cannot be used: {error}. Check its path, its permissions and the disk's space, "
                "then run the same command again. Everything paid for is kept.",
                CowestError.exit_status,
            )
        if not isinstance(error, CowestError):
            raise
        return _print_error(str(error), error.exit_status)
    return 0


def _make_streams_safe() -> None:
    """Keeps printing safe where a stream is closed, or its encoding lacks characters that we print."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - stays open until exit
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parses the arguments, with key=value allowed after flags, which argparse alone refuses."""
    options, rest = parser.parse_known_args(arguments)
    takes_overrides = hasattr(options, "overrides")
    if rest and (not takes_overrides or any(word.startswith("-") or "=" not in word for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.overrides = [*options.overrides, *rest]
    return options


def _print_error(message: str, status: int) -> int:
    width = min(100, shutil.get_terminal_size().columns) if sys.stderr.isatty() else 100
    lines = [fitted(line, width) for line in f"cowest: {printable(message)}".splitlines()]
    print("\n" + "\n".join(lines), file=sys.stderr)
    return status
