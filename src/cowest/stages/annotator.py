"""The annotator of RLWF: a copy of the weak model that is tuned to prefer gold targets to its own wrong drafts."""

from collections.abc import Sequence
from pathlib import Path

from cowest import runs, synchronous
from cowest.alignment import AlignConfig
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError
from cowest.progress import progress_bar
from cowest.tasks import Task
from cowest.training import LoRAConfig, TrainedModel
from cowest.training import weights as model_files
from cowest.training.progress import Progress
from cowest.training.rows import ChatRow
from cowest.types import Completion, Example


def train_annotator(
    start: TrainedModel | str,
    examples: Sequence[Example],
    *,
    collaboration: Collaboration,
    task: Task,
    out: Path,
    config: AlignConfig,
    lora: LoRAConfig | None,
    seed: int,
    chat_template: str | None = None,
    num_in_flight: int | None = None,
    progress: Progress | None = None,
) -> TrainedModel:
    """Drafts once for each labelled example and tunes the annotator with DPO to prefer the target to a wrong draft.

    Args:
        start: the model that drafts, which is also DPO's reference.
        examples: labelled rows.
        collaboration: its weak model is `start`.
        chat_template: as for `align`.
        out: the folder for the adapter and for labelled.jsonl, the rows it was tuned on.

    Raises:
        InputError: the model or a setting is wrong.
        TrainingError: no draft was wrong, or training failed.
        InterruptedRun: Ctrl-C; the same call resumes.
    """
    drafts = _draft_all(examples, collaboration, num_in_flight)
    synchronous.run(collaboration.weak.close())  # training wants the memory
    rows: list[ChatRow] = []
    left_out: list[dict[str, str]] = []
    for example, completion in zip(examples, drafts, strict=True):
        target = collaboration.format.target(example)
        reason = _reason_left_out(example, target, completion, collaboration, task)
        if reason is not None or target is None or completion is None:
            left_out.append({"id": example.id, "reason": str(reason)})
            continue
        prompt = collaboration.prompts.render(collaboration.format.template, query=example.query)
        rows.append(ChatRow(id=example.id, prompt=prompt, completions=(target, completion.text)))
    runs.write_jsonl(
        out / "labelled.jsonl",
        [{"id": row.id, "chosen": row.completions[0], "rejected": row.completions[1]} for row in rows],
    )
    model_files.require_extras()
    from cowest.training.preference import PairLoss, train_preference

    return train_preference(
        model_files.find(start.model if isinstance(start, TrainedModel) else start, chat_template),
        rows,
        out=out,
        settings=config,
        loss=PairLoss(beta=config.beta),
        lora=lora,
        seed=seed,
        untrainable=left_out,
        progress=progress,
    )


def _draft_all(
    examples: Sequence[Example], collaboration: Collaboration, num_in_flight: int | None
) -> list[Completion | None]:
    """One draft per example; None where the call failed."""
    with progress_bar("annotator, drafts", total=len(examples)) as bar:

        async def draft(example: Example) -> Completion | None:
            try:
                return await collaboration.draft(example.query)
            except CompletionError:
                return None
            finally:
                bar.advance(1)

        return synchronous.run(map_in_flight(draft, examples, num_in_flight))


def _reason_left_out(
    example: Example, target: str | None, completion: Completion | None, collaboration: Collaboration, task: Task
) -> str | None:
    """Why an example gives no pair; None where it does."""
    if target is None:
        return "the row holds no target in this format"
    if completion is None:
        return "the call for the draft failed"
    if completion.finish_reason == "length":
        return "the draft was cut at the token limit"
    if task.score(example, collaboration.read_draft(task, example, completion.text))[task.metric] >= 1.0:
        return "the draft is right"
    return None
