"""What a method of alignment is: which drafts of a round it learns from, and how it trains on them."""

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cowest import preferences
from cowest.alignment.config import AlignConfig
from cowest.alignment.online import Online
from cowest.errors import InputError
from cowest.training.lora import LoRAConfig
from cowest.training.progress import Progress
from cowest.training.rows import ChatRow
from cowest.training.trained import TrainedModel
from cowest.training.weights import Weights
from cowest.types import GradedDraft, GradedExample, Message, PreferencePair

PAIRS, GRADED = "pairs.jsonl", "graded.jsonl"

CUT = "a draft was cut at the token limit, so its end is not the model's; raise weak.sampling.max_tokens"


@dataclass(frozen=True)
class Lessons:
    """The rows that a method trains on.

    Attributes:
        left_out: drafts, pairs or queries, each with its id and the reason.
        solos: the query of each row with z and its verdict, where drafts are sampled while it trains.
    """

    rows: list[ChatRow] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    solos: list[GradedExample] = field(default_factory=list)


@dataclass(frozen=True)
class Training:
    """Where a training starts and where its result goes; see `cowest.stages.align.align`.

    Attributes:
        online: what a method needs that drafts while it trains; None where it was not given.
    """

    start: Weights
    out: Path
    lora: LoRAConfig | None
    seed: int
    progress: Progress | None
    online: Online | None = None


class AlignmentMethod(abc.ABC):
    """One method with its settings.

    Attributes:
        noun: what a row is.
        needs: what feedback must hold so that there is a row, as a sentence.
        is_online: whether it drafts while it trains, and so needs `Training.online`.
    """

    noun: ClassVar[str] = "draft"
    needs: ClassVar[str]
    is_online: ClassVar[bool] = False

    def __init__(self, config: AlignConfig) -> None:
        self.config = config

    @property
    def reads(self) -> str:
        """The name of the file of feedback that the rows come from."""
        return GRADED

    @abc.abstractmethod
    def choose(self, graded: GradedExample, prompt: tuple[Message, ...]) -> Lessons:
        """The rows of one query.

        Args:
            graded: its drafts.
            prompt: the conversation they were sampled from.
        """

    @abc.abstractmethod
    def train(self, lessons: Lessons, training: Training) -> TrainedModel:
        """Trains on the rows of a round.

        Raises:
            InputError: the model or a setting is wrong.
            TrainingError: there is no row, or training goes wrong.
            InterruptedRun: Ctrl-C.
        """

    def from_pairs(self, pairs: Sequence[PreferencePair]) -> Lessons:
        """The rows of preference pairs.

        Raises:
            InputError: the method does not learn from pairs that are already made.
        """
        raise InputError(
            f"{self.config.summary()} learns from graded drafts, and preference pairs were given. Give the rows of "
            f"feedback's {GRADED}, or the folder that it is in."
        )

    def from_graded(self, graded: Iterable[tuple[GradedExample, tuple[Message, ...]]]) -> Lessons:
        """The rows of a round's queries, each given with its prompt."""
        chosen = [self.choose(example, prompt) for example, prompt in graded]
        return Lessons(
            [row for each in chosen for row in each.rows],
            [row for each in chosen for row in each.left_out],
            [row for each in chosen for row in each.solos],
        )


def draft_id(graded: GradedExample, draft: GradedDraft) -> str:
    """The name of a draft in overlong.jsonl and untrainable.jsonl."""
    return f"{graded.example_id}#{draft.draft.sample_index}"


def is_cut(draft: GradedDraft) -> bool:
    """Whether the token limit cut a draft.

    Training ends every draft with the end token, so a truncated one would teach the model to stop in mid-sentence.
    """
    return draft.draft.finish_reason == "length"


def whole_drafts(graded: GradedExample) -> tuple[list[GradedDraft], list[dict[str, str]]]:
    """The scored drafts that were not cut, in sampling order, and those that were, to be listed."""
    scored = [draft for draft in preferences.in_order(graded) if draft.gain is not None]
    cut = [{"id": draft_id(graded, draft), "reason": CUT} for draft in scored if is_cut(draft)]
    return [draft for draft in scored if not is_cut(draft)], cut
