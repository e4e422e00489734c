"""SFT: the weak model learns the task from its training rows (paper section 3.2, Equation 1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from cowest.errors import InputError
from cowest.formats import Format, load_format
from cowest.prompts import Prompts
from cowest.records import TrainingRecord
from cowest.stages._output_folder import make_output_folder
from cowest.training import LoRAConfig, TrainedModel, TrainingSettings
from cowest.training import weights as model_files
from cowest.training.progress import Progress
from cowest.training.rows import ChatRow
from cowest.training.trained import DONE_MARKER
from cowest.training.weights import Weights
from cowest.types import Example


class SFTConfig(TrainingSettings):
    """The settings of SFT. The defaults are those of the paper's appendix B.2.

    Attributes:
        from_: a checkpoint to use as the model after SFT, so that nothing is trained (as the paper does for MedMCQA).
            In a recipe its key is `from`. `weak.model` then is the model before SFT.
        held_back: training rows, drawn by the recipe's seed, that SFT leaves out, so that SuperICL can demonstrate with
            predictions on them; None leaves out none.
        explanations: "strong": before SFT the strong model explains the references of rows that have no explanation.
            None: such rows train without one. Only a recipe's pipeline follows it; in Python call `explain` first.
    """

    from_: str | None = Field(default=None, alias="from")
    held_back: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=1.4e-5, gt=0)
    explanations: Literal["strong"] | None = None

    @model_validator(mode="after")
    def _explains_what_it_trains_on(self) -> Self:
        if self.from_ is not None and self.explanations is not None:
            raise ValueError(
                "sft.from takes a checkpoint as it is, so explanations would be paid for and never used. "
                "Leave out from or explanations"
            )
        return self


def sft(
    model: str,
    examples: Sequence[Example],
    *,
    out: str | Path,
    config: SFTConfig | None = None,
    lora: LoRAConfig | None = None,
    format: str | Format = "chain_of_thought",
    prompts: Prompts | str | None = None,
    chat_template: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainedModel:
    """Teaches the weak model to write drafts: LoRA on the prompt for drafts, with the loss on the target only.

    An interrupted call resumes from its last checkpoint with the same result; a finished one returns immediately.
    Files in `out`: the adapter (safetensors), metrics.jsonl (one row per step), training.json, and, where rows were
    left out, overlong.jsonl and untrainable.jsonl.

    Args:
        model: the base: a folder, a hub id or `package:folder`, with or without `local/` in front.
        examples: the training rows.
        out: the folder for the adapter.
        lora: shape of the adapter; by default the paper's.
        format: of the drafts.
        prompts: templates, or the folder of templates that replace the built-in ones.
        chat_template: "chatml" or a file, for a base model without one; it is saved with the adapter.
        progress: called after each step with steps done, total steps, and the step's metrics; None shows a bar on
            stderr, as the other stages do. `with cowest.quietly():` shows nothing.

    Examples:
        >>> import cowest
        >>> from cowest.stages.sft import SFTConfig
        >>> task = cowest.task("cowest.lab.task:Formulary")
        >>> config = SFTConfig(epochs=1, batch_size=8, gradient_accumulation=1)
        >>> cowest.sft("cowest.lab:assets/weak", task.train[:16], out="runs/mine/sft", config=config)
        TrainedModel(folder='runs/mine/sft', base='cowest.lab:assets/weak', num_rows=16, num_steps=2, final_loss=...)

    Raises:
        InputError: the model or a setting is wrong, or no row can be trained on.
        TrainingError: the loss is not a number, or memory or disk ran out.
        InterruptedRun: Ctrl-C; the same call resumes.
    """
    config = config or SFTConfig()
    folder = Path(out).expanduser()
    make_output_folder(folder)
    if config.from_ is not None:
        return _use_checkpoint(config.from_, chat_template, folder)
    if config.explanations is not None:
        raise InputError(
            "sft trains on the examples as they are, so explanations would do nothing here. Call cowest.explain "
            "first and give its result; in a recipe the key is enough."
        )
    weights = base_weights(model, chat_template)
    from cowest.training.supervised import train_supervised

    rows, untrainable = _rows(examples, format, prompts)
    return train_supervised(
        weights,
        rows,
        out=folder,
        settings=config,
        lora=lora or LoRAConfig(),
        seed=seed,
        untrainable=untrainable,
        progress=progress,
    )


def base_weights(model: str, chat_template: str | None = None) -> Weights:
    """The weights that SFT trains a new adapter on.

    Raises:
        InputError: there are none, they have an adapter already, or the extra for training is not installed.
    """
    weights = model_files.find(model, chat_template)
    if weights.adapter is not None:
        raise InputError(
            f"SFT trains a new adapter, but {model!r} is one already, on {weights.base!r}. "
            "Give the base model, or name the adapter in sft.from to use it as it is."
        )
    model_files.require_extras()
    return weights


def _rows(
    examples: Sequence[Example], format: str | Format, prompts: Prompts | str | None
) -> tuple[list[ChatRow], list[dict[str, str]]]:
    draft_format = load_format(format) if isinstance(format, str) else format
    templates = prompts if isinstance(prompts, Prompts) else Prompts(prompts)
    rows: list[ChatRow] = []
    untrainable: list[dict[str, str]] = []
    for example in examples:
        target = draft_format.target(example)
        if target is None:
            reason = f"the row holds nothing that a draft of the format {draft_format.name!r} could be taught from"
            untrainable.append({"id": example.id, "reason": reason})
            continue
        prompt = templates.render(draft_format.template, query=example.query)
        rows.append(ChatRow(id=example.id, prompt=prompt, completions=(target,)))
    return rows, untrainable


def _use_checkpoint(location: str, chat_template: str | None, out: Path) -> TrainedModel:
    """Records a given checkpoint as the result of SFT."""
    weights = model_files.find(location, chat_template)
    adapter = None if weights.adapter is None else str(weights.adapter.resolve())
    record = TrainingRecord(stage="sft", adapter=adapter, base=weights.base, from_=location, num_rows=0)
    record.write(out / DONE_MARKER)
    return TrainedModel(folder=adapter, base=weights.base, metrics=record)
