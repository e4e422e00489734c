"""DPO on pairs of drafts (Rafailov et al. 2023; paper section 3.3.2), with other losses, pairs and weights."""

from collections.abc import Sequence

from cowest import preferences
from cowest.alignment.base import CUT, GRADED, PAIRS, AlignmentMethod, Lessons, Training, whole_drafts
from cowest.errors import InputError
from cowest.training.rows import ChatRow
from cowest.training.trained import TrainedModel
from cowest.types import GradedExample, Message, PreferencePair


class DPO(AlignmentMethod):
    """Makes the chosen draft of a pair more probable than the rejected one, relative to the reference."""

    noun = "pair"
    needs = "It needs a query with one draft that made the strong model better than it is alone, and one that did not"

    @property
    def reads(self) -> str:
        """The pairs that feedback made, where they are those of Algorithm 1."""
        return PAIRS if self.config.reads_pairs else GRADED

    def choose(self, graded: GradedExample, prompt: tuple[Message, ...]) -> Lessons:
        """The pairs of a query. Unlike the matched ones, other pairs are made of whole drafts to begin with."""
        if self.config.pairs == "matched":
            return self._matched(preferences.pairs(graded, prompt))
        whole, cut = whole_drafts(graded)
        kept = graded.model_copy(update={"drafts": tuple(whole)})
        return Lessons([self._row(pair) for pair in preferences.pairs(kept, prompt, self.config.pairs)], cut)

    def from_pairs(self, pairs: Sequence[PreferencePair]) -> Lessons:
        """The rows of pairs that feedback made."""
        return super().from_pairs(pairs) if self.config.pairs != "matched" else self._matched(pairs)

    def train(self, lessons: Lessons, training: Training) -> TrainedModel:
        """Trains with TRL's DPOTrainer."""
        from cowest.training.preference import PairLoss, train_preference

        config = self.config
        return train_preference(
            training.start,
            lessons.rows,
            out=training.out,
            settings=config,
            loss=PairLoss(
                beta=config.beta,
                name=config.loss,
                label_smoothing=config.label_smoothing or 0.0,
                weight=config.weight,
                offset_scale=config.offset_scale,
            ),
            lora=training.lora,
            seed=training.seed,
            untrainable=lessons.left_out,
            progress=training.progress,
        )

    def _matched(self, pairs: Sequence[PreferencePair]) -> Lessons:
        return Lessons(
            [self._row(pair) for pair in pairs if not _is_cut(pair)],
            [{"id": _id(pair), "reason": CUT} for pair in pairs if _is_cut(pair)],
        )

    def _row(self, pair: PreferencePair) -> ChatRow:
        return ChatRow(
            id=_id(pair),
            prompt=pair.prompt,
            completions=(
                "".join(message.content for message in pair.chosen),
                "".join(message.content for message in pair.rejected),
            ),
            gain=None if self.config.weight is None else _gain(pair),
        )


def _is_cut(pair: PreferencePair) -> bool:
    # Training ends every draft with the end token, so a truncated one would teach the model to stop in mid-sentence.
    return "length" in (pair.finish_reason_chosen, pair.finish_reason_rejected)


def _id(pair: PreferencePair) -> str:
    return f"{pair.example_id}#{pair.pair_index}"


def _gain(pair: PreferencePair) -> int:
    """By how much the chosen draft's gain exceeds the rejected one's."""
    if pair.gain_chosen is None or pair.gain_rejected is None or pair.gain_chosen <= pair.gain_rejected:
        raise InputError(
            f"The pair {_id(pair)!r} has the gains {pair.gain_chosen} and {pair.gain_rejected}, and align.weight needs "
            "a chosen draft with more gain than the rejected one. Drafts that were compared with each other have no "
            "gains; leave out align.weight for them."
        )
    return pair.gain_chosen - pair.gain_rejected
