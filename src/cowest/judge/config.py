"""The recipe's section for a judge: a model, the strong model without references, or a panel of models."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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
    # Left out of a run's recipe where it says nothing new, so that those of earlier versions are unchanged.
    reference: Reference = Field(default="gold", exclude_if=lambda value: value == "gold")

    @model_validator(mode="before")
    @classmethod
    def _default_sampling(cls, data: Any) -> Any:
        """Fills in the sampling values that the section leaves out."""
        if not isinstance(data, dict) or not isinstance(data.get("sampling", {}), dict):
            return data
        return data | {"sampling": JUDGE_SAMPLING.model_dump(exclude_none=True) | data.get("sampling", {})}

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


def _kind_of_member(value: Any) -> Any:
    """Reads a member as its keys say, so that an error is about these keys and not about every kind of member."""
    if isinstance(value, dict):
        return JudgeConfig.model_validate(value)
    if value != STRONG and not isinstance(value, JudgeConfig):
        raise ValueError("needs strong, or a section like strong's with a model")
    return value


Member = Annotated[Literal["strong"] | JudgeConfig, BeforeValidator(_kind_of_member)]


class PanelConfig(Record):
    """Several models as one judge.

    Attributes:
        panel: the members: `strong`, or a section like that of a single model.
        rule: "median" takes the members' median, the lower of the two in the middle of an even number, where more
            than half of them answer; "majority" takes the verdict that more than half of them give. Else unscored.
        reference: as for a single model; it holds for every member.
    """

    panel: tuple[Member, ...] = Field(min_length=2)
    rule: Rule = "median"
    reference: Reference = "gold"

    @model_validator(mode="after")
    def _members_differ(self) -> Self:
        votes = [repr(member.vote) if isinstance(member, JudgeConfig) else member for member in self.panel]
        if len(set(votes)) < len(votes):
            raise ValueError(
                "names a member of the panel twice, which would count one vote twice; for several votes of one model "
                "give it `repeats`"
            )
        if any(isinstance(member, JudgeConfig) and "reference" in member.model_fields_set for member in self.panel):
            raise ValueError("`reference` holds for the whole panel: write it beside `panel`, not in a member")
        return self

    def by_role(self) -> dict[str, Literal["strong"] | JudgeConfig]:
        """The members by the role that they pay under, which does not depend on their order."""
        names = [f"judge:{_short(member)}" if isinstance(member, JudgeConfig) else "judge" for member in self.panel]
        members = dict(zip(_told_apart(names, self.panel), self.panel, strict=True))
        return {role: members[role] for role in sorted(members)}


class ProgramJudge(BaseModel):
    """A judge without a model, by name, and its options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(description="answer_match or `package.module:Class`.")


def _kind_of_judge(value: Any) -> Any:
    """Reads a judge's section as the kind that the keys say, so that an error is about the keys of that kind."""
    if isinstance(value, dict):
        return _section(value).model_validate(value)
    if value != STRONG and not isinstance(value, BaseModel):
        raise ValueError("needs strong, {name: answer_match}, a section like strong's with a model, or a panel")
    return value


def _section(keys: Mapping[str, object]) -> type[BaseModel]:
    if "name" in keys:
        return ProgramJudge
    if "panel" in keys:
        return PanelConfig
    return ReferenceFreeConfig if "reference" in keys and "model" not in keys else JudgeConfig


JudgeSection = Annotated[
    Literal["strong"] | JudgeConfig | PanelConfig | ReferenceFreeConfig | ProgramJudge, BeforeValidator(_kind_of_judge)
]
"""The recipe's key `judge`."""


def models_of(judge: JudgeSection) -> dict[str, Literal["strong"] | JudgeConfig]:
    """The models of a recipe's judge, by role; none where it is a program."""
    if isinstance(judge, PanelConfig):
        return judge.by_role()
    if isinstance(judge, ProgramJudge):
        return {}
    return {"judge": judge if isinstance(judge, JudgeConfig) else STRONG}


def _short(member: JudgeConfig) -> str:
    return member.model_name.rstrip("/").rsplit("/", 1)[-1]


def _told_apart(names: list[str], members: tuple[Literal["strong"] | JudgeConfig, ...]) -> list[str]:
    """The names, with a part of a hash behind those that several members share."""
    told_apart = []
    for name, member in zip(names, members, strict=True):
        if names.count(name) > 1 and isinstance(member, JudgeConfig):
            told_apart.append(f"{name}#{hashlib.sha256(repr(member.vote).encode()).hexdigest()[:4]}")
        else:
            told_apart.append(name)
    return told_apart
