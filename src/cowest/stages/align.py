"""Align: preference tuning of the weak model on feedback's pairs (paper section 3.3.2, Equation 2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from cowest.errors import InputError
from cowest.records import PreferencePair, read_rows
from cowest.stages._output_folder import make_output_folder
from cowest.training import LoRAConfig, TrainedModel, TrainingSettings
from cowest.training import weights as model_files
from cowest.training.progress import Progress
from cowest.training.rows import ChatRow
from cowest.training.settings import Optimizer

CUT = "a draft was cut at the token limit, so its end is not the model's; raise weak.sampling.max_tokens"


class AlignConfig(TrainingSettings):
    """The settings of alignment. The defaults are those of the paper's appendix B.2; beta, which it omits, is ours.

    Attributes:
        method: direct preference optimization.
        beta: the scale alpha of Equation 2; the larger, the closer the model stays to the reference.
    """

    method: Literal["dpo"] = "dpo"
    beta: float = Field(default=0.1, gt=0)
    learning_rate: float = Field(default=1.41e-5, gt=0)
    optimizer: Optimizer = "rmsprop"
    gradient_accumulation: int = Field(default=16, ge=1)


def align(
    start: TrainedModel | str,
    pairs: Sequence[PreferencePair] | str | Path,
    *,
    out: str | Path,
    config: AlignConfig | None = None,
    lora: LoRAConfig | None = None,
    chat_template: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainedModel:
    """Trains the weak model to prefer drafts that helped the strong one.

    Training continues with the adapter of `start`, and the reference (pi_SFT of Equation 2) is a frozen copy of that
    adapter: the policy the drafts were sampled from. So in round 1 the reference is the model after SFT, and in round
    2, which starts from round 1's result, it is that result. Where `start` is a full model (`sft.from`), a new adapter
    is trained and the reference is the full model. training.json names it under "reference".

    An interrupted call resumes from its last checkpoint with the same result; a finished one returns immediately.
    The files in `out` are those of `sft`.

    Args:
        start: the model that drafted: the result of `sft` or of an earlier `align`, or its name or folder.
        pairs: preference pairs, or the path of a pairs.jsonl.
        out: the folder for the adapter; not that of `start`.
        lora: shape of the adapter; must match the adapter of `start`, if it has one.
        chat_template: "chatml" or a file, for a full model without one; an adapter that `sft` trained has its own.
        progress: called after each step with steps done, total steps, and the step's metrics; None shows a bar on
            stderr, as the other stages do. `with cowest.quietly():` shows nothing.

    Examples:
        >>> import cowest
        >>> from cowest.stages.align import AlignConfig
        >>> from cowest.types import Message
        >>> pair = cowest.PreferencePair(
        ...     prompt=[Message(role="user", content="What class of drug is zubogum?")],
        ...     chosen=[Message(role="assistant", content="Answer: sedative")],
        ...     rejected=[Message(role="assistant", content="Answer: diuretic")],
        ...     example_id="1", pair_index=0, chosen_sample_index=0, rejected_sample_index=1,
        ... )
        >>> config = AlignConfig(epochs=1, batch_size=1, gradient_accumulation=1)
        >>> cowest.align("cowest.lab:assets/weak", [pair], out="runs/mine/align", config=config).metrics.num_steps
        1

    Raises:
        InputError: the model, the pairs or a setting is wrong.
        TrainingError: no pair can be trained on, or the loss is not a number.
        InterruptedRun: Ctrl-C; the same call resumes.
    """
    config = config or AlignConfig()
    folder = Path(out).expanduser()
    weights = model_files.find(start.model if isinstance(start, TrainedModel) else start, chat_template)
    if weights.adapter is not None and weights.adapter.resolve() == folder.resolve():
        raise InputError(f"Alignment would overwrite the adapter it starts from ({str(folder)!r}). Give another out.")
    given = read_pairs(pairs) if isinstance(pairs, (str, Path)) else pairs
    rows = [_row(pair) for pair in given if not _is_cut(pair)]
    cut = [{"id": _id(pair), "reason": CUT} for pair in given if _is_cut(pair)]
    make_output_folder(folder)
    model_files.require_extras()
    from cowest.training.preference import train_preference

    return train_preference(
        weights,
        rows,
        out=folder,
        settings=config,
        beta=config.beta,
        lora=lora,
        seed=seed,
        untrainable=cut,
        progress=progress,
    )


def read_pairs(path: str | Path) -> list[PreferencePair]:
    """Reads a pairs.jsonl.

    Raises:
        InputError: the file is missing, or a row is not a pair.
    """
    advice = "Give the pairs.jsonl that feedback wrote."
    return list(read_rows(Path(path).expanduser(), PreferencePair, "preference pair", advice))


def _is_cut(pair: PreferencePair) -> bool:
    # Training ends every draft with the end token, so a truncated one would teach the model to stop in mid-sentence.
    return "length" in (pair.finish_reason_chosen, pair.finish_reason_rejected)


def _id(pair: PreferencePair) -> str:
    return f"{pair.example_id}#{pair.pair_index}"


def _row(pair: PreferencePair) -> ChatRow:
    return ChatRow(
        id=_id(pair),
        prompt=pair.prompt,
        completions=(
            "".join(message.content for message in pair.chosen),
            "".join(message.content for message in pair.rejected),
        ),
    )
