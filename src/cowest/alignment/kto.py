"""KTO on single drafts with their sign (Ethayarajh et al. 2024): no draft needs a partner."""

from collections.abc import Iterable

from cowest import preferences
from cowest.alignment.base import AlignmentMethod, Lessons, Training, draft_id, whole_drafts
from cowest.training.rows import ChatRow
from cowest.training.trained import TrainedModel
from cowest.types import GradedExample, Message

_ONE_SIDE = "all drafts have the same sign, and kto needs some that helped and some that did not"


class KTO(AlignmentMethod):
    """Makes drafts that helped more probable than the reference has them, and the others less."""

    needs = "It needs drafts that made the strong model better than it is alone, and drafts that did not"

    def choose(self, graded: GradedExample, prompt: tuple[Message, ...]) -> Lessons:
        """Every scored draft. One that was sampled twice counts twice, once on either side if its verdicts differ."""
        whole, left_out = whole_drafts(graded)
        left_out += [
            {"id": draft_id(graded, draft), "reason": f"the draft is unscored: {draft.verdict.unscored_reason}"}
            for draft in preferences.in_order(graded)
            if draft.gain is None
        ]
        rows = [
            ChatRow(id=draft_id(graded, draft), prompt=prompt, completions=(draft.draft.text,), gain=draft.gain)
            for draft in whole
        ]
        return Lessons(rows, left_out)

    def from_graded(self, graded: Iterable[tuple[GradedExample, tuple[Message, ...]]]) -> Lessons:
        """The drafts of a round; none where all have the same sign."""
        found = super().from_graded(graded)
        if len({row.gain is not None and row.gain > 0 for row in found.rows}) == 2:
            return found
        return Lessons([], [*found.left_out, *({"id": row.id, "reason": _ONE_SIDE} for row in found.rows)])

    def train(self, lessons: Lessons, training: Training) -> TrainedModel:
        """Trains with TRL's KTOTrainer."""
        from cowest.training.unpaired import train_unpaired

        config = self.config
        return train_unpaired(
            training.start,
            lessons.rows,
            out=training.out,
            settings=config,
            beta=config.beta,
            desirable_weight=config.desirable_weight,
            undesirable_weight=config.undesirable_weight,
            lora=training.lora,
            seed=training.seed,
            untrainable=lessons.left_out,
            progress=training.progress,
        )
