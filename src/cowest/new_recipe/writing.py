"""The text of a new recipe, with a comment on every value, and the files that are written for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from cowest import words
from cowest.errors import InputError
from cowest.new_recipe.draft import Draft
from cowest.new_recipe.splitting import split_rows
from cowest.plugins import resolve_path
from cowest.runs.files import write_text

_LOOPBACK = ("127.", "localhost", "[::1]")


def write_recipe(draft: Draft, *, force: bool = False) -> list[Path]:
    """Writes the recipe and, where there is no test file, the two files that its rows are split into.

    Returns:
        The recipe's path first.

    Raises:
        InputError: a file exists and `force` is not given, or it is the data itself; nothing was written.
    """
    out = draft.wishes.out
    split = not draft.wishes.test
    train, test = (out.with_suffix(f".{name}.jsonl") for name in ("train", "test"))
    files = [out, train, test] if split else [out]
    read = {resolve_path(location).resolve() for location in draft.wishes.locations.values()}
    if own := [str(path) for path in files if path.resolve() in read]:
        raise InputError(f"{own[0]!r} is the data that is read, and would be replaced. Give another --out.")
    if not force and (there := [str(path) for path in files if path.exists()]):
        raise InputError(
            f"{', '.join(map(repr, there))} already exists and is left as it is. Give another --out, or --force to "
            "replace it."
        )
    locations, num_rows = dict(draft.wishes.locations), dict(draft.num_rows)
    if split:
        num_rows["train"], num_rows["test"] = split_rows(
            lambda: draft.rows("train"), draft.options["question"], draft.options.get("group"), train, test
        )
        locations |= {"train": str(train), "test": str(test)}
    write_text(out, "\n".join(_lines(draft, locations, num_rows)) + "\n")
    return files


def _lines(draft: Draft, locations: dict[str, str], num_rows: dict[str, int]) -> Iterator[str]:
    wishes, out = draft.wishes, draft.wishes.out
    yield f"# Written by `cowest init` for {_plain(wishes.train)}. Keys that are left out have the paper's values."
    yield "# Paths count from the folder that cowest is started in."
    yield f"# Check it: cowest doctor {_plain(str(out))}    What it will cost: cowest plan {_plain(str(out))}"
    yield f"run: {_value(f'runs/{out.stem}')}"
    yield "seed: 0"
    yield "task:"
    yield _key("name", "jsonl", "a data file of your own")
    for split in ("train", "validation", "test"):
        if split in locations:
            yield _key(split, locations[split], words.plural(num_rows[split], "row"))
    if not wishes.test:
        what = "groups" if "group" in draft.task else "questions"
        yield f"  # No test file was given: a fifth of the {what} in {_plain(wishes.train)} is the test split."
    yield f"  # The columns: {', '.join(map(_plain, draft.columns))}"
    written = {"delimiter", "encoding"} if not wishes.test else set()  # the split files are UTF-8 JSON
    for key, guess in draft.task.items():
        if key not in written:
            yield _key(key, guess.value, guess.reason)
    for key, use in _OPTIONAL.items():
        if key not in draft.task:
            yield f"  # {key}: COLUMN    # {use}"
    yield "format: chain_of_thought    # or direct_answer, domain_knowledge"
    yield "weak:"
    yield _key("model", wishes.weak, "local/: a folder, a .gguf file or a name on the hub")
    if wishes.weak_url:
        yield _key("base_url", wishes.weak_url, "the endpoint of the weak model")
    yield "strong:"
    yield _key("model", wishes.strong, "PROVIDER/NAME; openai/ is any compatible endpoint")
    if wishes.base_url:
        yield _key("base_url", wishes.base_url, "the endpoint")
    if wishes.strong.startswith("openai/") and not _is_loopback(wishes.base_url):
        yield _key("api_key_env", "OPENAI_API_KEY", "the variable that holds the key, not the key itself")
    yield "  # budget_usd: 20           # a hard cap on what this model may cost"
    yield "judge: strong                 # or {name: answer_match}: the task's own metric, which costs nothing"
    yield "feedback: {queries: 2000, samples: 5}    # start small: queries: 20"
    yield "rounds: 1"
    yield "evaluate: {split: test, methods: [weak_only, strong_only, collaborate]}    # start small: limit: 50"


_OPTIONAL = {
    "context": "put before the question: a text, or a list of passages",
    "explanation": "a reference explanation, for training; sft.explanations: strong has the strong model write them",
    "group": "what a row belongs to, such as a document; intervals are then over groups",
    "id": "unique in a file; the row's number otherwise",
}


def _key(key: str, value: Any, comment: str) -> str:
    return f"  {key}: {_value(value)}    # {_plain(comment)}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # In a list, so that a text with a comma or a bracket is quoted as it must be there.
    text: str = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**9)
    return text.strip()[1:-1]


def _plain(text: str) -> str:
    """A text for a comment: on one line whatever it holds."""
    return text if text.isprintable() else ascii(text)


def _is_loopback(url: str | None) -> bool:
    return url is not None and url.partition("://")[2].startswith(_LOOPBACK)
