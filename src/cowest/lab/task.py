"""The lab's task: queries about a private formulary of invented drugs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from cowest.errors import InputError
from cowest.lab.grammar import NUMBER_WORDS
from cowest.plugins import resolve_path
from cowest.tasks import Task
from cowest.types import Answer, Example

ASSETS = "cowest.lab:assets"
_FIELDS = ("kind", "drug", "rate", "weight", "number", "class")


class Formulary(Task):
    """Queries for a dose in mg, a check of a dose, or a drug class: rows of the files that `cowest lab build` writes.

    Args:
        train, validation, test: locations of the splits; by default the ones that ship with the package.
        notation: "figures" or "words": how the oracle's draft states a rate. The strong model uses one of them only.
    """

    name = "formulary"
    metric = "accuracy"

    def __init__(
        self,
        *,
        train: str | None = f"{ASSETS}/train.jsonl",
        validation: str | None = f"{ASSETS}/validation.jsonl",
        test: str | None = f"{ASSETS}/test.jsonl",
        notation: str = "figures",
    ) -> None:
        super().__init__(train=train, validation=validation, test=test)
        if notation not in ("figures", "words"):
            raise InputError(f"The task option notation is {notation!r}. It must be 'figures' or 'words'.")
        self.notation = notation

    def read(self, location: str) -> Iterator[Example]:
        """Reads the rows of a JSONL file.

        Raises:
            InputError: the file is missing, or a row is not JSON or lacks a field.
        """
        path = resolve_path(location)
        if not path.is_file():
            raise InputError(
                f"The data file {location!r} does not exist. Build one with `cowest lab build --out FOLDER`."
            )
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                yield self._example(line, f"{location!r}, line {number}")

    def _example(self, line: str, place: str) -> Example:
        try:
            row = json.loads(line)
            return Example(
                id=row["id"],
                query=row["query"],
                references=(row["answer"],),
                explanation=row.get("explanation"),
                fields={field: row[field] for field in _FIELDS},
                group=row["drug"],
            )
        except json.JSONDecodeError as error:
            raise InputError(f"{place}: this is not JSON ({error.msg}). Build the lab's files again.") from error
        except (KeyError, TypeError) as error:
            raise InputError(f"{place}: the row lacks the field {error}. Build the lab's files again.") from error

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """Scores 1.0 where the final answer is the reference, whatever its case and with or without the unit mg."""
        if answer.final is None:
            return {"accuracy": 0.0}
        final = answer.final.strip().lower().removesuffix("mg").strip()
        return {"accuracy": float(final in {reference.lower() for reference in example.references})}

    def oracle_draft(self, example: Example) -> str:
        """Writes a draft with the true fact in the notation of this task and the right answer."""
        drug, rate = example.fields["drug"], int(example.fields["rate"])
        stated = str(rate) if self.notation == "figures" else NUMBER_WORDS[rate]
        fact = f"{drug} is given at {stated} mg per kg."
        if example.fields["kind"] == "class":
            fact = f"{drug} belongs to the class {example.fields['class']}."
        return f"Explanation: {fact}\nAnswer: {example.references[0]}"
