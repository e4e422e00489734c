"""inputs.json of a stage's folder: what it was made from, so that another recipe cannot continue in it unnoticed."""

from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from cowest.records.base import Document
from cowest.types import omitted_if_none

TEMPLATES = "prompt files"
DIGESTS = ("examples", "pairs", "corpus")
"""Fields whose values are digests, which mean nothing to a reader."""
ROUNDS = ("rounds", "rounds_done")


class StageInputs(Document):
    """inputs.json. It holds recipe keys by their dotted path, such as "weak.model", beside these fields.

    Attributes:
        examples: SHA-256 of the stage's examples.
        prompt_files: the content hash of each prompt template that the stage can use.
        pairs: SHA-256 of the file of pairs or graded drafts that alignment learns from.
        corpus: digest of the corpus that methods retrieve from.
        rounds_done: rounds of alignment that were finished at the time of the evaluation.
    """

    ADVICE: ClassVar[str] = "Give another run folder: run=FOLDER."

    model_config = ConfigDict(extra="allow")

    examples: str | None = omitted_if_none()
    prompt_files: dict[str, str] = Field(default_factory=dict, alias=TEMPLATES)
    pairs: str | None = omitted_if_none()
    corpus: str | None = omitted_if_none()
    rounds_done: int | None = omitted_if_none()

    def difference_from(self, other: "StageInputs") -> list[str]:
        """How this differs from other inputs, prompt templates aside; a phrase for each key."""
        return differences(self._comparable(), other._comparable())

    def only(self, other: "StageInputs") -> "StageInputs":
        """These inputs, restricted to the keys of `other`."""
        wanted = other.to_json().keys()
        return StageInputs.model_validate({key: value for key, value in self.to_json().items() if key in wanted})

    def is_continued_by(self, other: "StageInputs") -> bool:
        """Whether the other inputs have no fewer rounds, planned and finished."""
        before, now = self.to_json(), other.to_json()
        return all((before.get(key) or 0) <= (now.get(key) or 0) for key in ROUNDS)

    def without_rounds(self) -> "StageInputs":
        """These inputs without the numbers of rounds."""
        return StageInputs.model_validate({key: value for key, value in self.to_json().items() if key not in ROUNDS})

    def _comparable(self) -> dict[str, Any]:
        return {key: value for key, value in self.to_json().items() if key not in ("version", TEMPLATES)}


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """How two JSON documents differ, a phrase for each key."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        return [
            line
            for key in keys
            for line in differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
        ]
    if before == now:
        return []
    if path in DIGESTS:
        return [f"other {path}"]
    return [f"{path}: {before!r}, now {now!r}"]
