"""GRPO (Shao et al. 2024): drafts are sampled while it trains, and those that helped more than their siblings pay."""

from cowest.alignment.base import AlignmentMethod, Lessons, Training
from cowest.alignment.rollouts import ROLLOUTS, Rollouts
from cowest.errors import InputError
from cowest.training.rows import ChatRow
from cowest.training.trained import TrainedModel
from cowest.types import GradedExample, Message

_NO_VERDICT = "z is unscored: {reason}"
_PERFECT = "the strong model alone has the full score, so that no draft can help"


class GRPO(AlignmentMethod):
    """Makes drafts more probable by how much more they helped than other drafts of their query."""

    noun = "query"
    needs = "It needs queries on which the strong model alone has a verdict below the full score"
    is_online = True

    def choose(self, graded: GradedExample, prompt: tuple[Message, ...]) -> Lessons:
        """The query without a draft; drafts that feedback has made are not used."""
        if graded.skipped == "solo_perfect":
            return Lessons([], [{"id": graded.example_id, "reason": _PERFECT}])
        if graded.solo_verdict.value is None:
            reason = _NO_VERDICT.format(reason=graded.solo_verdict.unscored_reason)
            return Lessons([], [{"id": graded.example_id, "reason": reason}])
        return Lessons([ChatRow(id=graded.example_id, prompt=prompt, completions=())], solos=[graded])

    def train(self, lessons: Lessons, training: Training) -> TrainedModel:
        """Trains with TRL's GRPOTrainer; each step refines and judges its drafts."""
        from cowest.training.online import train_online

        config, online = self.config, training.online
        if online is None:
            raise InputError(
                "align.method grpo refines and judges drafts while it trains, and no models were given for that. "
                "Give online=cowest.alignment.Online(...)."
            )
        solos = {graded.example_id: graded for graded in lessons.solos}
        if missing := sorted(solos.keys() - online.examples.keys()):
            raise InputError(
                f"The feedback has queries that are not among the examples of online, such as {missing[0]!r}. Give "
                "the examples that feedback was gathered on."
            )
        rollouts = Rollouts(online, solos, training.out / ROLLOUTS)
        return train_online(
            training.start,
            lessons.rows,
            out=training.out,
            settings=config,
            beta=config.beta,
            generations=config.generations,
            sampling=online.collaboration.weak_sampling,
            rewards=rollouts.rewards,
            rewarded_by={**online.identity(), "solos": [graded.model_dump(mode="json") for graded in lessons.solos]},
            outcome=rollouts.outcome,
            lora=training.lora,
            seed=training.seed,
            untrainable=lessons.left_out,
            progress=training.progress,
        )
