"""The recipe's section for a judge: a model, the strong model without references, or a panel of models."""

import hashlib
from typing import Literal, Self

from pydantic import Field, model_validator

from cowest.models.config import ModelConfig
from cowest.types import Record, Sampling

JUDGE_SAMPLING = Sampling(temperature=0.0)
"""Ours, since the paper gives none: a repeatable judge adds no noise of its own."""

EQUAL_REPEATS = "repeats above 1 need a temperature above 0 in the judge's sampling; at 0 all of them would be equal"
STRONG: Literal["strong"] = "strong"
"""The judge that is the strong model itself."""

Reference = Literal["gold", "none"]
Rule = Literal["median", "majority"]


class JudgeConfig(ModelConfig):
    """A model as a judge: the keys of a model, and how it judges.

    Attributes:
        repeats: how often each output is judged; the verdict is the median. Needs a temperature above 0.
        reference: what an output is judged by: "gold" is the row's reference; "none" compares the output with the
            strong model's own, in both orders, and needs no reference.
    """

    sampling: Sampling = JUDGE_SAMPLING
    repeats: int = Field(default=1, ge=1)
    reference: Reference = "gold"

    @model_validator(mode="after")
    def _repeats_differ(self) -> Self:
        if self.repeats > 1 and self.sampling.temperature == 0:
            raise ValueError(EQUAL_REPEATS)
        return self

    @property
    def vote(self) -> tuple[object, ...]:
        """What decides its verdicts: two members of a panel that share it have one vote."""
        return self.model, self.base_url, self.sampling, self.repeats, sorted(self.options.items())


class ReferenceFreeConfig(Record):
    """The strong model as a judge that sees no reference.

    Attributes:
        reference: "none": each output is compared with the strong model's own, in both orders.
    """

    reference: Literal["none"]


class PanelConfig(Record):
    """Several models as one judge.

    Attributes:
        panel: the members: `strong`, or a section like that of a single model.
        rule: "median" takes the members' median, the lower of the two in the middle of an even number, where more
            than half of them answer; "majority" takes the verdict that more than half of them give. Else unscored.
        reference: as for a single model; it holds for every member.
    """

    panel: tuple[Literal["strong"] | JudgeConfig, ...] = Field(min_length=2)
    rule: Rule = "median"
    reference: Reference = "gold"

    @model_validator(mode="after")
    def _members_differ(self) -> Self:
        votes = [STRONG if member == STRONG else repr(member.vote) for member in self.panel]
        if len(set(votes)) < len(votes):
            raise ValueError(
                "names a member of the panel twice, which would count one vote twice; for several votes of one model "
                "give it `repeats`"
            )
        if any(member != STRONG and "reference" in member.model_fields_set for member in self.panel):
            raise ValueError("`reference` holds for the whole panel: write it beside `panel`, not in a member")
        return self

    def by_role(self) -> dict[str, Literal["strong"] | JudgeConfig]:
        """The members by the role that they pay under, which does not depend on their order."""
        names = ["judge" if member == STRONG else f"judge:{_short(member)}" for member in self.panel]
        members = dict(zip(_told_apart(names, self.panel), self.panel, strict=True))
        return {role: members[role] for role in sorted(members)}


def _short(member: JudgeConfig) -> str:
    return member.model_name.rstrip("/").rsplit("/", 1)[-1]


def _told_apart(names: list[str], members: tuple[Literal["strong"] | JudgeConfig, ...]) -> list[str]:
    """The names, with a part of a hash behind those that several members share."""
    told_apart = []
    for name, member in zip(names, members, strict=True):
        if names.count(name) > 1 and member != STRONG:
            name = f"{name}#{hashlib.sha256(repr(member.vote).encode()).hexdigest()[:4]}"
        told_apart.append(name)
    return told_apart
