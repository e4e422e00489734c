"""The options of individual methods in a recipe, `evaluate.settings`; the defaults are the papers' values."""

from pydantic import Field

from cowest.types import Record


class SelfRefineOptions(Record):
    """Self-Refine: a model criticises its own answer and writes a new one.

    Attributes:
        rounds: most critiques, each followed by a new answer.
    """

    rounds: int = Field(default=4, ge=1)


class SKROptions(Record):
    """SKR: retrieves where that helped with similar training questions.

    Attributes:
        neighbours: k, the number of nearest training questions that vote.
        questions: number of training questions to answer both ways, drawn with the seed; None means all.
    """

    neighbours: int = Field(default=5, ge=1)
    questions: int | None = Field(default=None, ge=1)


class FLAREOptions(Record):
    """FLARE: retrieves where the model is unsure. But for `max_tokens` the values are those of its published code.

    Attributes:
        sure_above: a sentence is accepted if all of its tokens are more probable than this.
        masked_up_to: tokens of at most this probability are left out when a sentence becomes a query.
        ahead_tokens: tokens generated to get one sentence.
        max_tokens: of the whole reply; by default the limit of the strong model's replies in evaluation, or 1,024
            where they have none.
    """

    sure_above: float = Field(default=0.8, ge=0, le=1)
    masked_up_to: float = Field(default=0.4, ge=0, le=1)
    ahead_tokens: int = Field(default=64, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)


class SuperICLOptions(Record):
    """SuperICL: demonstrates with the weak model's predictions.

    Attributes:
        demonstrations: how many are drawn.
        max_prompt_tokens: demonstrations are dropped from the end until the prompt fits; by default the 4,096 tokens of
            the paper's model minus 256 for the reply.
        explain_overrides: whether a second call asks why where the strong model overrides the weak one's answer.
    """

    demonstrations: int = Field(default=32, ge=1)
    max_prompt_tokens: int = Field(default=3840, ge=1)
    explain_overrides: bool = False


class MethodOptions(Record):
    """The settings of individual methods: a section for each that has any."""

    self_refine: SelfRefineOptions = SelfRefineOptions()
    skr: SKROptions = SKROptions()
    flare: FLAREOptions = FLAREOptions()
    super_icl: SuperICLOptions = SuperICLOptions()
