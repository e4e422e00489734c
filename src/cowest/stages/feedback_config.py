"""The recipe's section `feedback`: how the preferences of a round are gathered."""

from typing import Literal, Self

from pydantic import Field, model_validator

from cowest.models.config import ModelConfig
from cowest.types import Record

TRAINING_ROWS = ("train", "held_back")
"""Values of `queries_from` that draw from the training rows."""


class FeedbackConfig(Record):
    """How preferences are gathered.

    Attributes:
        kind: the annotator; a file of annotators/ or `package.module:Class`.
        queries_from: "train" draws them from all training rows, as the paper does; "held_back" from rows that
            are kept out of SFT; else the folder that `serve.record` fills, or a file of its rows.
        held_back_share: the share of the training rows that "held_back" keeps out of SFT.
        queries: number of queries per round, drawn with the recipe's seed and the round's number.
        samples: K, the drafts per query.
        spend: USD that the strong and judge calls of a round may cost; queries are asked in a random order while the
            worst case of the next one fits into it, `queries` at most. None sets no limit.
        max_pairs: number of pairs to keep, drawn with the seed; None keeps all.
        labeller: the model that compares two drafts for kind "rlaif", a section like `strong`; None means the strong
            model, as in the paper. Other kinds do not use it.
        skip_settled: skip calls that cannot change any pair.
        drafts: "all" K, as the paper does, or drawn and graded one after the other "until_pair": until one of the query
            helped and one did not, K at most.
        null_control: number of queries for which a second sample of the strong model alone is judged against the
            first, which gives the positive rate of pure noise; none where drafts are compared ("rlaif", "rlwf").
    """

    kind: str = "collaborative"
    queries_from: str = Field(default="train", min_length=1, pattern=r"^[^\x00]*$")
    held_back_share: float = Field(default=0.5, gt=0, lt=1)
    queries: int = Field(default=2000, ge=1)
    samples: int = Field(default=5, ge=1)
    spend: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_pairs: int | None = Field(default=None, ge=1)
    labeller: ModelConfig | None = None
    skip_settled: bool = True
    drafts: Literal["all", "until_pair"] = "all"
    null_control: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _two_drafts_make_a_pair(self) -> Self:
        if self.until_pair and self.samples < 2:
            raise ValueError(
                "feedback.drafts until_pair ends a query's drafts when two of them make a pair, and feedback.samples "
                f"is {self.samples}. Raise it to 2 or more, or leave drafts out"
            )
        return self

    @model_validator(mode="after")
    def _control_knows_the_queries(self) -> Self:
        if self.spend is not None and self.null_control:
            raise ValueError(
                "null_control draws from the queries of a round, and with spend it is not known before which these "
                "are. Leave out one of the two"
            )
        return self

    @property
    def until_pair(self) -> bool:
        """Whether a query's drafts end with its first pair."""
        return self.drafts == "until_pair"
