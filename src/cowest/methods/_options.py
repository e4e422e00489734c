"""What a recipe can set of single methods: `evaluate.settings`. The papers' values are the defaults."""

from pydantic import Field

from cowest.types import Record


class SelfRefineOptions(Record):
    """`evaluate.settings.self_refine`.

    Attributes:
        rounds: critiques at most, each followed by a new answer.
    """

    rounds: int = Field(default=4, ge=1)


class SKROptions(Record):
    """`evaluate.settings.skr`.

    Attributes:
        neighbours: k, how many of the nearest training questions vote.
        questions: training questions that are answered both ways, drawn by the seed; None takes all.
    """

    neighbours: int = Field(default=5, ge=1)
    questions: int | None = Field(default=None, ge=1)


class FLAREOptions(Record):
    """`evaluate.settings.flare`; but for `max_tokens` the values of the paper's published code.

    Attributes:
        sure_above: a sentence stands as it is if every one of its tokens is more probable than this.
        masked_up_to: tokens of at most this probability are left out of the query that is made of a sentence.
        ahead_tokens: tokens that are generated to get one sentence.
        max_tokens: of the whole reply; by default the limit of the strong model's replies in evaluation, and 1,024
            where they have none.
    """

    sure_above: float = Field(default=0.8, ge=0, le=1)
    masked_up_to: float = Field(default=0.4, ge=0, le=1)
    ahead_tokens: int = Field(default=64, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)


class SuperICLOptions(Record):
    """`evaluate.settings.super_icl`.

    Attributes:
        demonstrations: how many are drawn.
        max_prompt_tokens: the last ones are left out until the prompt is no longer than this; by default the window of
            4,096 tokens of the paper's model, less 256 for the reply.
        explain_overrides: whether a second call asks why, where the strong model's answer is not the weak one's.
    """

    demonstrations: int = Field(default=32, ge=1)
    max_prompt_tokens: int = Field(default=3840, ge=1)
    explain_overrides: bool = False


class MethodOptions(Record):
    """`evaluate.settings`: a section for each method that has any."""

    self_refine: SelfRefineOptions = SelfRefineOptions()
    skr: SKROptions = SKROptions()
    flare: FLAREOptions = FLAREOptions()
    super_icl: SuperICLOptions = SuperICLOptions()
