"""The recipe's section `bench`: what `cowest bench` compares."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from cowest.models.config import ModelConfig
from cowest.types import Record

CellName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]


class BenchConfig(Record):
    """What `cowest bench` compares besides the recipe's own run.

    Attributes:
        methods: rows of the table; None means all methods of the package.
        kinds: of feedback.
        align: methods of alignment: a list such as [kto, rft], or sections like `align` by a name of your choice, whose
            keys replace those of the recipe's own.
        queries: numbers of queries; every method of alignment is also measured after one round of so many.
        formats: of drafts.
        pairs: numbers of preference pairs, each below what the first round gives; None means a quarter and a half of
            that.
        strong, weak: further models by a name of your choice, each a section like `strong` and `weak`. SFT trains every
            further weak model; `sft.from` is for the recipe's own.
        cross_models: whether every weak model meets every strong one; False changes only one of the two at a time, as
            the paper's Figure 5 does.
        equal_pairs: whether the kinds of feedback are also compared after one round with as many pairs each.
        strong_rows: by the name of a further strong model, methods that get rows with it too, next to the recipe's own.
        probe: number of evaluation examples whose drafts are graded before and after alignment; 0 means none.
        seeds: how often everything that trains is done, each time with another seed, counted up from the recipe's.
    """

    methods: tuple[str, ...] | None = None
    kinds: tuple[str, ...] = ("collaborative", "individual", "rlaif", "rlwf")
    align: dict[CellName, dict[str, Any]] = Field(default_factory=dict)
    queries: tuple[Annotated[int, Field(ge=1)], ...] = ()
    equal_pairs: bool = True
    formats: tuple[str, ...] = ("direct_answer", "domain_knowledge", "chain_of_thought")
    pairs: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    strong: dict[CellName, ModelConfig] = Field(default_factory=dict)
    weak: dict[CellName, ModelConfig] = Field(default_factory=dict)
    cross_models: bool = True
    strong_rows: dict[CellName, tuple[str, ...]] = Field(default_factory=dict)
    probe: int = Field(default=200, ge=0)
    seeds: int = Field(default=1, ge=1, le=100)

    @field_validator("align", mode="before")
    @classmethod
    def _methods_by_name(cls, value: Any) -> Any:
        return {str(name): {"method": name} for name in value} if isinstance(value, (list, tuple)) else value

    @field_validator("strong_rows")
    @classmethod
    def _rows_are_of_further_models(
        cls, rows: dict[str, tuple[str, ...]], info: ValidationInfo
    ) -> dict[str, tuple[str, ...]]:
        known = info.data.get("strong", {})
        if unknown := [name for name in rows if name not in known]:
            names = ", ".join(known) or "none"
            raise ValueError(f"names {', '.join(unknown)}, but the models of bench.strong are: {names}")
        return rows
