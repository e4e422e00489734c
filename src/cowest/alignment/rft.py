"""Rejection sampling (RFT; Yuan et al. 2023): SFT on the draft of each query that helped the strong model most."""

from cowest.alignment.base import AlignmentMethod, Lessons, Training, draft_id, whole_drafts
from cowest.training.lora import LoRAConfig
from cowest.training.rows import ChatRow
from cowest.training.trained import TrainedModel
from cowest.training.weights import for_training
from cowest.types import GradedExample, Message


class RFT(AlignmentMethod):
    """Continues SFT on the best drafts; nothing holds the model close to where it starts."""

    needs = "It needs drafts that made the strong model better than it is alone"

    def choose(self, graded: GradedExample, prompt: tuple[Message, ...]) -> Lessons:
        """The draft with the largest gain above 0, the first of equals; none where no draft helped."""
        whole, cut = whole_drafts(graded)
        helped = [draft for draft in whole if (draft.gain or 0) > 0]
        best = max(helped, key=lambda draft: draft.gain or 0, default=None)
        if best is None:
            return Lessons([], cut)
        return Lessons(
            [ChatRow(id=draft_id(graded, best), prompt=prompt, completions=(best.draft.text,))],
            cut,
        )

    def train(self, lessons: Lessons, training: Training) -> TrainedModel:
        """Trains with TRL's SFTTrainer, as SFT does, from the adapter of the start."""
        from cowest.training.supervised import train_supervised

        return train_supervised(
            for_training(training.start, training.lora),
            lessons.rows,
            out=training.out,
            settings=self.config,
            lora=training.lora or LoRAConfig(),
            seed=training.seed,
            untrainable=lessons.left_out,
            progress=training.progress,
            stage="align",
            facts={"method": "rft"},
        )
