"""The recipe's section `align`: the method, and the keys that each method takes."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cowest.checking import check
from cowest.errors import InputError
from cowest.preferences import Choice
from cowest.training.settings import Optimizer, TrainingSettings

Method = Literal["dpo", "kto", "rft", "grpo"]
Loss = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "robust",
    "exo_pair",
    "nca_pair",
    "bco_pair",
    "sppo_hard",
    "apo_zero",
    "apo_down",
    "discopop",
    "sigmoid_norm",
]
SMOOTHED = ("robust", "exo_pair")
"""The losses that need `label_smoothing`."""

_TAKEN_BY: dict[str, tuple[str, ...]] = {
    "pairs": ("dpo",),
    "loss": ("dpo",),
    "label_smoothing": ("dpo",),
    "weight": ("dpo",),
    "offset_scale": ("dpo",),
    "beta": ("dpo", "kto", "grpo"),
    "desirable_weight": ("kto",),
    "undesirable_weight": ("kto",),
    "generations": ("grpo",),
    "replay": ("dpo", "kto", "rft"),
}
"""The methods that take a key; all others are taken by every method."""

_ALIKE = ("replay",)
"""Of these, the keys that mean the same in every method that takes them, and so hold for others too."""

_BATCHES = {
    "kto": {"batch_size": 4, "gradient_accumulation": 4},
    "grpo": {"batch_size": 8, "gradient_accumulation": 4},
}
"""Of methods whose rows are no pairs, where `batch_size` is left out."""

_BETA_OF_GRPO = 0.04  # Shao et al. 2024


class AlignConfig(TrainingSettings):
    """The settings of alignment. The defaults are those of the paper's appendix B.2; beta, which it omits, is ours.

    Attributes:
        batch_size: rows in one forward pass of one process; of `kto` and `grpo` a row is a draft. `kto` needs at
            least 2. Left out, it and `gradient_accumulation` are 4 and 4 for `kto`, 8 and 4 for `grpo`.
        method: `dpo` on pairs of drafts, `kto` on single drafts with their sign, `rft`: SFT on the draft of each
            query that helped most, or `grpo` on drafts that it samples itself, with feedback of kind `solo`.
        pairs: of dpo: as in Algorithm 1, the best draft of a query with its worst, or each positive with each negative.
        loss: of dpo, by the name in TRL's DPOTrainer; "sigmoid" is DPO's own.
        label_smoothing: of dpo's losses `robust` and `exo_pair`, which need it: the share of pairs that are assumed to
            be the wrong way round.
        weight: of dpo: "gain" weights each pair's loss by how far its gains lie apart; "offset" asks for a margin that
            grows with that (ODPO). None uses the sign of a gain alone.
        offset_scale: of weight "offset": the offset is this times the logarithm of how far the gains lie apart.
        beta: of dpo and kto: the scale alpha of Equation 2; the larger, the closer the model stays to the reference.
            Of grpo: the weight of the divergence from it; left out, it is 0.04 there.
        desirable_weight, undesirable_weight: of kto: weights of drafts that helped, and of those that did not. None:
            so that both sides weigh the same.
        generations: of grpo: drafts of a query that are compared with each other at a step. A step has `batch_size`
            times `gradient_accumulation` drafts, which must be a multiple of this.
        replay: of dpo, kto and rft: whether a round learns from the feedback of the rounds before it too.
    """

    method: Method = "dpo"
    pairs: Choice = "matched"
    loss: Loss = "sigmoid"
    label_smoothing: float | None = Field(default=None, gt=0, lt=0.5)
    weight: Literal["gain", "offset"] | None = None
    offset_scale: float = Field(default=1.0, gt=0)
    beta: float = Field(default=0.1, gt=0)
    desirable_weight: float | None = Field(default=None, gt=0)
    undesirable_weight: float | None = Field(default=None, gt=0)
    generations: int = Field(default=8, ge=2)
    replay: bool = False
    learning_rate: float = Field(default=1.41e-5, gt=0)
    optimizer: Optimizer = "rmsprop"
    gradient_accumulation: int = Field(default=16, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_a_method(cls, data: Any) -> Any:
        method = data.get("method") if isinstance(data, dict) else None
        if method == "grpo":
            data = {"beta": _BETA_OF_GRPO} | data
        return data if method not in _BATCHES or "batch_size" in data else _BATCHES[method] | data

    @field_validator(*_TAKEN_BY)
    @classmethod
    def _is_taken(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses a key that the method does not take; its default, as in a resolved recipe, says nothing."""
        method, name = info.data.get("method"), str(info.field_name)
        if method is None or method in _TAKEN_BY[name] or value == cls.model_fields[name].default:
            return value
        taken = [key for key, methods in _TAKEN_BY.items() if method in methods]
        raise ValueError(
            f"align.method {method} does not take this key; of the keys for some methods only, it takes "
            f"{', '.join(taken)}. Leave it out, or set align.method: {' or '.join(_TAKEN_BY[name])}"
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        smoothed = self.loss in SMOOTHED
        if smoothed and self.label_smoothing is None:
            raise ValueError(
                f"align.loss {self.loss} needs align.label_smoothing, the share of pairs that are assumed to be the "
                "wrong way round: typically 0.1 for robust, 0.001 for exo_pair"
            )
        if not smoothed and self.label_smoothing is not None:
            raise ValueError(
                f"align.label_smoothing is for align.loss {' and '.join(SMOOTHED)}, not for {self.loss}. Leave it out"
            )
        if self.weight == "offset" and self.loss != "sigmoid":
            raise ValueError(
                f"align.weight: offset is defined for align.loss sigmoid, not for {self.loss}. Leave out one of the two"
            )
        if self.weight != "offset" and self.offset_scale != type(self).model_fields["offset_scale"].default:
            raise ValueError("align.offset_scale is for align.weight: offset. Leave it out, or set weight: offset")
        if self.method == "kto" and self.batch_size < 2:
            raise ValueError(
                "align.method kto needs align.batch_size of at least 2, since it estimates how far the model is from "
                "the reference on the other rows of a forward pass. Set e.g. batch_size: 4, gradient_accumulation: 4"
            )
        if self.method == "grpo" and self.batch_size * self.gradient_accumulation % self.generations:
            raise ValueError(
                f"a step of grpo has align.batch_size x gradient_accumulation = "
                f"{self.batch_size * self.gradient_accumulation} drafts, which is no multiple of align.generations, "
                f"{self.generations}. Change one of the three"
            )
        return self

    @property
    def reads_pairs(self) -> bool:
        """Whether it learns from the pairs that feedback makes; otherwise from the graded drafts."""
        return self.method == "dpo" and self.pairs == "matched"

    @property
    def uses_gains(self) -> bool:
        """Whether it learns from gains, which drafts that were compared with each other do not have."""
        return not self.reads_pairs or self.weight is not None

    @property
    def queries_a_step(self) -> int:
        """Of grpo: the queries whose drafts a step learns from."""
        return self.batch_size * self.gradient_accumulation // self.generations

    def idle_keys(self) -> set[str]:
        """Keys of some methods only that have their defaults, so that the result does not depend on them."""
        kept = {"beta"} if self.method in _TAKEN_BY["beta"] else set()
        fields = type(self).model_fields
        return {key for key in _TAKEN_BY if key not in kept and getattr(self, key) == fields[key].default}

    def decisive(self) -> dict[str, Any]:
        """The settings that the result depends on."""
        return {key: value for key, value in super().decisive().items() if key not in self.idle_keys()}

    def summary(self) -> str:
        """The method with what differs from its defaults, e.g. "dpo (loss ipo, pairs all)"."""
        idle = self.idle_keys() | {"beta"}
        given = {key: getattr(self, key) for key in _TAKEN_BY if key not in idle}
        details = [key if value is True else f"{key} {value}" for key, value in given.items()]
        return self.method + (f" ({', '.join(details)})" if details else "")

    def changed_to(self, section: Mapping[str, Any], name: str = "the changed section") -> "AlignConfig":
        """This config with the keys of another section `align`.

        Of the keys that only some methods take, another method takes over `replay` alone. `label_smoothing` and
        `offset_scale` are kept only where the loss and the weight still take them.

        Args:
            name: of the other section, for errors.

        Raises:
            InputError: the two together are not valid, or `replay` is set here and the other method does not take it.
        """
        own, method = self.model_dump(), section.get("method", self.method)
        if section.get("loss", self.loss) not in SMOOTHED:
            del own["label_smoothing"]
        if section.get("weight", self.weight) != "offset":
            del own["offset_scale"]
        if method != self.method:
            if self.replay and method not in _TAKEN_BY["replay"] and "replay" not in section:
                raise InputError(
                    f"{name}: the recipe's own alignment learns from earlier rounds too (align.replay), and {method} "
                    "cannot. Write replay: false there to compare the two all the same, or leave align.replay out."
                )
            kept = [key for key in _ALIKE if method in _TAKEN_BY[key]]
            own = {key: value for key, value in own.items() if key not in _TAKEN_BY or key in kept}
            if method == "grpo" or (method == "kto" and self.batch_size < 2):
                own |= _BATCHES[method]
        return check(type(self), own | dict(section), f"{name} is not valid with the recipe's own section align")
