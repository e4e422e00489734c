"""The files of a run as a report reads them: results.json and summary.json, with every part that may be absent."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cowest import words
from cowest.types import Usage

LAB_TASK = "formulary"
LAB_NOTE = "Lab: two tiny made-up models; these numbers say nothing about large models."
LAB_LIMITS = (
    "The weak model was made to know what the strong one lacks, and the task was invented for them: a large gain here "
    "is by design, and not one to expect elsewhere.",
    "The lab's own judge is a program that knows the right answers; a model that judges makes mistakes.",
    "Calls cost nothing and take the time of this machine, so costs and times say nothing about an endpoint's.",
    "What the numbers do show: that every stage works, and what each adds under these conditions.",
)
"""What the numbers of the lab do not mean."""

PAIR = ("collaborate", "collaborate_sft")
"""Names of the pair, the one that counts first."""

_LABELS = {
    "weak_only": "Weak model alone",
    "weak_aligned": "Weak model alone, aligned",
    "weak_only_base": "Weak model before training",
    "strong_only": "Strong model alone",
    "strong_only_direct": "Strong model alone, answer only",
    "collaborate": "Together, aligned",
    "collaborate_sft": "Together, before alignment",
    "oracle": "Strong model with a perfect draft (ceiling)",
    "self_refine_weak": "Self-Refine, weak model",
    "self_refine_strong": "Self-Refine, strong model",
    "skr": "SKR",
    "flare": "FLARE",
    "super_icl": "SuperICL",
}
_KINDS = {"rlaif": "RLAIF", "rlwf": "RLWF"}
_ENDINGS = {"_collaborate": "Together, {} feedback", "_weak_only": "Weak model alone, {} feedback"}
"""Of a bench's rows, which are named by the kind of feedback."""


class Lenient(BaseModel):
    """Takes fields it does not know, so that a page can be made of a later version's run."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Metric(Lenient):
    """A metric with its 95% interval."""

    value: float
    ci95: tuple[float, float] | None = None


class Latency(Lenient):
    """Seconds a query takes: the median and the 95th percentile."""

    p50: float | None = None
    p95: float | None = None


class Preparation(Lenient):
    """What a row took once, before its first query; `cost_usd` is None where a price is unknown."""

    calls: dict[str, int] = Field(default_factory=dict)
    cost_usd: float | None = None

    @property
    def in_words(self) -> str:
        """Money and calls: "$3.14 (5,963 calls)"."""
        return f"{words.money(self.cost_usd)} ({words.count(sum(self.calls.values()))} calls)"


class MethodRow(Lenient):
    """One method of results.json; `cost_usd` is of all its examples, None where a price is unknown.

    `preparation` is None where it took none or nobody knows.
    """

    round: int | None = None
    metrics: dict[str, Metric] = Field(default_factory=dict)
    calls: dict[str, int] = Field(default_factory=dict)
    usage: dict[str, Usage] = Field(default_factory=dict)
    cost_usd: float | None = None
    latency_s: Latency = Latency()
    num_failed: int = 0
    num_unparsed: int = 0
    preparation: Preparation | None = None
    help_rate: float | None = None
    harm_rate: float | None = None


class Comparison(Lenient):
    """How much better `a` is than `b` on the same examples."""

    a: str
    b: str
    metric: str = ""
    difference: float
    ci95: tuple[float, float] | None = None
    p_value: float | None = None
    help_rate: float | None = None
    harm_rate: float | None = None

    @property
    def verdict(self) -> str:
        """ "better", "worse" or "unclear": which side of 0 the interval is on."""
        low, high = self.ci95 or (0.0, 0.0)
        return "better" if low > 0 else "worse" if high < 0 else "unclear"

    def turned(self) -> "Comparison":
        """The same comparison seen from `b`."""
        return self.model_copy(
            update={
                "a": self.b,
                "b": self.a,
                "difference": -self.difference,
                "ci95": None if self.ci95 is None else (-self.ci95[1], -self.ci95[0]),
                "help_rate": self.harm_rate,
                "harm_rate": self.help_rate,
            }
        )


class Results(Lenient):
    """results.json."""

    task: str = ""
    metric: str = ""
    num_examples: int = 0
    seed: int | None = None
    methods: dict[str, MethodRow] = Field(default_factory=dict)
    comparisons: list[Comparison] = Field(default_factory=list)
    oracle_gap_closed: float | None = None
    wall_s: float | None = None
    note: str | None = None

    @property
    def headline_metric(self) -> str:
        """The metric that is named, or the first that any method has."""
        return self.metric or next((name for row in self.methods.values() for name in row.metrics), "")

    @property
    def metric_names(self) -> list[str]:
        """Every metric, the headline first."""
        names = dict.fromkeys([self.headline_metric])
        names |= dict.fromkeys(name for row in self.methods.values() for name in row.metrics)
        return [name for name in names if name]

    @property
    def pair(self) -> str | None:
        """Which method is the pair at its best known state; None where it was not evaluated."""
        rounds = sorted(name for name in self.methods if name.startswith("collaborate_round_"))
        return next((name for name in (PAIR[0], *rounds[::-1], PAIR[1]) if name in self.methods), None)

    @property
    def banner(self) -> str | None:
        """What must be said before any number."""
        return self.note or (LAB_NOTE if self.task == LAB_TASK else None)

    def compare(self, a: str, b: str) -> Comparison | None:
        """The headline comparison of two methods, whichever way round the file has it."""
        for comparison in self.comparisons:
            if comparison.metric in ("", self.headline_metric):
                if (comparison.a, comparison.b) == (a, b):
                    return comparison
                if (comparison.a, comparison.b) == (b, a):
                    return comparison.turned()
        return None

    def cost_per_query(self, method: str) -> float | None:
        """USD a query; None where it is unknown."""
        row = self.methods.get(method)
        if row is None or row.cost_usd is None or self.num_examples == 0:
            return None
        return row.cost_usd / self.num_examples


class NullControl(Lenient):
    """How often a second sample of the strong model alone beats the first, beside how often a draft helps to."""

    num_examples: int = 0
    positive_rate: Metric | None = None
    real_positive_rate: Metric | None = None
    difference: Metric | None = None


class Calibrated(Lenient):
    """The outputs that one verdict was given to: how many, and their mean metric."""

    verdict: int
    num_outputs: int
    value: float
    ci95: tuple[float, float] | None = None


class JudgeAgreement(Lenient):
    """How the judge's scores order outputs, compared with the task's metric and with their lengths."""

    metric: str
    num_outputs: int
    concordance: float | None = None
    length_correlation: float | None = None
    calibration: list[Calibrated] = Field(default_factory=list)


class Feedback(Lenient):
    """feedback/summary.json."""

    kind: str | None = None
    num_examples: int = 0
    num_pairs: int = 0
    num_drafts: int = 0
    num_positive: int = 0
    num_negative: int = 0
    num_unscored: int = 0
    num_failed: int = 0
    num_drafts_cut: int = 0
    num_solo_perfect: int = 0
    calls: dict[str, int] = Field(default_factory=dict)
    usage: dict[str, Usage] = Field(default_factory=dict)
    cost_usd: float | None = None
    wall_s: float | None = None
    calls_saved: dict[str, int | dict[str, int]] = Field(default_factory=dict)
    null_control: NullControl | None = None
    judge_agreement: JudgeAgreement | None = None

    @property
    def saved(self) -> dict[str, str]:
        """What each rule saved, in words."""
        return {rule: _saved(value) for rule, value in self.calls_saved.items()}


class Training(Lenient):
    """sft/training.json and align/training.json."""

    num_rows: int | None = None
    num_overlong: int = 0
    num_untrainable: int = 0
    num_steps: int | None = None
    first_loss: float | None = None
    final_loss: float | None = None
    wall_s: float | None = None
    versions: dict[str, Any] = Field(default_factory=dict)


def label(method: str) -> str:
    """What a method is called for people; its own name where it has no other."""
    _, separator, number = method.partition("collaborate_round_")
    if separator:
        return f"Together, round {number}"
    for ending, text in _ENDINGS.items():
        if method.endswith(ending) and method not in _LABELS:
            kind = method.removesuffix(ending)
            return text.format(_KINDS.get(kind, kind))
    return _LABELS.get(method, method)


def _saved(value: int | dict[str, int]) -> str:
    parts = value.items() if isinstance(value, dict) else [("calls", value)]
    return ", ".join(f"{count:,} {what}" for what, count in parts)
