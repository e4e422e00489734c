"""PubMedQA (Jin et al., EMNLP 2019): does an abstract answer its title's question with yes, no or maybe."""

from collections.abc import Iterator

from cowest.tasks._files import read_keyed_rows
from cowest.tasks._labelled import LabelTask
from cowest.tasks._rows import Row
from cowest.types import Example


class PubMedQA(LabelTask):
    """Yes, no or maybe, from the abstract without its conclusion; accuracy and macro-F1.

    `LONG_ANSWER`, the conclusion, is the explanation for SFT targets. Neither it nor the annotators' own labels
    (`*_pred`) are part of a query.

    Args:
        train, validation, test: the publisher's files: one JSON object that maps PubMed ids to entries.
    """

    name = "pubmedqa"
    labels = ("yes", "no", "maybe")

    def read(self, location: str) -> Iterator[Example]:
        """Reads `QUESTION`, `CONTEXTS` with their section names in `LABELS`, `final_decision` and `LONG_ANSWER`.

        Raises:
            InputError: the location is missing or an entry is broken; the message names file, entry and field.
        """
        for identifier, row in read_keyed_rows(location):
            question = row.text("QUESTION")
            yield Example(
                id=identifier,
                query=f"Abstract:\n{_abstract(row)}\n\nQuestion: {question}\n{self.instruction}",
                references=(self.label_in(row, "final_decision"),),
                explanation=row.optional_text("LONG_ANSWER") if "LONG_ANSWER" in row.fields else None,
                fields={"question": question, **_year(row)},
            )


def _abstract(row: Row) -> str:
    sections = row.texts("CONTEXTS")
    names = row.texts("LABELS") if row.fields.get("LABELS") else ()
    if names and len(names) != len(sections):
        raise row.error("LABELS", f"there are {len(names)} section names for {len(sections)} sections in CONTEXTS.")
    return (
        "\n".join(f"{name}: {text}" for name, text in zip(names, sections, strict=True))
        if names
        else "\n".join(sections)
    )


def _year(row: Row) -> dict[str, str]:
    year = row.optional_text("YEAR") if "YEAR" in row.fields else None
    return {"year": year} if year else {}


PLUGIN = PubMedQA
