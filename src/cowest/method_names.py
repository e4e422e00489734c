"""The names of an evaluation's rows: single models, the pair before and after each round of alignment, baselines."""

import re
from collections.abc import Collection, Iterable

WEAK_ONLY, WEAK_ONLY_BASE, WEAK_ALIGNED = "weak_only", "weak_only_base", "weak_aligned"
STRONG_ONLY, STRONG_ONLY_DIRECT = "strong_only", "strong_only_direct"
COLLABORATE, COLLABORATE_SFT = "collaborate", "collaborate_sft"
COLLABORATE_SERVED = "collaborate_served"
"""The pair whose weak model is on a server, so that nothing of it is trained here."""
ORACLE = "oracle"

SINGLE_MODELS = (WEAK_ONLY, WEAK_ONLY_BASE, STRONG_ONLY, STRONG_ONLY_DIRECT)
"""What the pair has to beat: each model alone, trained and untrained, with and without chain of thought."""

_ROUND = re.compile(rf"{COLLABORATE}_round_([1-9][0-9]{{0,5}})")

_WITH_STRONG = re.compile(r"(\S+) \((\S+)\)")

_LABELS = {
    WEAK_ONLY: "Weak model alone",
    WEAK_ALIGNED: "Weak model alone, aligned",
    WEAK_ONLY_BASE: "Weak model before training",
    STRONG_ONLY: "Strong model alone",
    STRONG_ONLY_DIRECT: "Strong model alone, answer only",
    COLLABORATE: "Together, aligned",
    COLLABORATE_SFT: "Together, before alignment",
    COLLABORATE_SERVED: "Together, weak model as served",
    ORACLE: "Strong model with a perfect draft (ceiling)",
    "self_refine_weak": "Self-Refine, weak model",
    "self_refine_strong": "Self-Refine, strong model",
    "skr": "SKR",
    "flare": "FLARE",
    "super_icl": "SuperICL",
}
_ALIGNED = "aligned_"
_ALIGNED_ROWS = {"_pair": "Together, aligned by {}", "_weak": "Weak model alone, aligned by {}"}
_KINDS = {"rlaif": "RLAIF", "rlwf": "RLWF"}
_KIND_ROWS = {f"_{COLLABORATE}": "Together, {} feedback", f"_{WEAK_ONLY}": "Weak model alone, {} feedback"}


def collaborate_round(number: int) -> str:
    """The pair after a round of alignment, where there are several: "collaborate_round_2"."""
    return f"{COLLABORATE}_round_{number}"


def round_of(name: str) -> int | None:
    """The round of a `collaborate_round_N`; None for any other name."""
    match = _ROUND.fullmatch(name)
    return int(match[1]) if match else None


def rounds_in(names: Iterable[str]) -> list[str]:
    """The `collaborate_round_N` among these names, from the first round to the last."""
    numbered = [(number, name) for name in names if (number := round_of(name)) is not None]
    return [name for _, name in sorted(numbered)]


def pair_of(names: Collection[str]) -> str | None:
    """The row of the pair: the aligned one, else that of the last round, else the unaligned one; None without any."""
    candidates = (COLLABORATE, *reversed(rounds_in(names)), COLLABORATE_SFT, COLLABORATE_SERVED)
    return next((name for name in candidates if name in names), None)


def kind_collaborate(kind: str) -> str:
    """The bench row of the pair aligned with this kind of feedback: "rlaif_collaborate"."""
    return f"{kind}_{COLLABORATE}"


def kind_weak_only(kind: str) -> str:
    """The bench row of the weak model alone, aligned with this kind of feedback: "rlaif_weak_only"."""
    return f"{kind}_{WEAK_ONLY}"


def aligned_collaborate(name: str) -> str:
    """The bench row of the pair aligned by another method, by its name in `bench.align`: "aligned_kto_pair"."""
    return f"{_ALIGNED}{name}_pair"


def aligned_weak_only(name: str) -> str:
    """The bench row of the weak model alone, aligned by another method: "aligned_kto_weak"."""
    return f"{_ALIGNED}{name}_weak"


def is_kind_collaborate(name: str) -> bool:
    """Whether a bench row is the pair aligned with a kind of feedback other than the paper's."""
    return name.endswith(f"_{COLLABORATE}")


def is_row_of(name: str, method: str) -> bool:
    """Whether a bench row is this method's, with the recipe's strong model or with a further one."""
    return name == method or bool((match := _WITH_STRONG.fullmatch(name)) and match[1] == method)


def with_strong(method: str, strong: str) -> str:
    """The bench row of a method with a further strong model, by its name in the recipe: "skr (gpt-4)"."""
    return f"{method} ({strong})"


def weak_stage(round_number: int) -> str:
    """The name that methods use for the weak model after a round: "sft" for round 0, else e.g. "round_2"."""
    return "sft" if round_number == 0 else f"round_{round_number}"


def label(name: str) -> str:
    """A row's display name; its plain name where it has none."""
    if (number := round_of(name)) is not None:
        return f"Together, round {number}"
    if match := _WITH_STRONG.fullmatch(name):
        return with_strong(label(match[1]), match[2])
    for ending, text in _ALIGNED_ROWS.items():
        if name.startswith(_ALIGNED) and name.endswith(ending):
            return text.format(name.removeprefix(_ALIGNED).removesuffix(ending))
    for ending, text in _KIND_ROWS.items():
        if name.endswith(ending) and name not in _LABELS:
            kind = name.removesuffix(ending)
            return text.format(_KINDS.get(kind, kind))
    return _LABELS.get(name, name)
