"""Align: tuning of the weak model on a round's feedback (paper section 3.3.2, Equation 2)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cowest.alignment import PAIRS, AlignConfig, AlignmentMethod, Lessons, Online, Training, load_method
from cowest.annotators import COMPARING, SOLO
from cowest.errors import InputError
from cowest.formats import Format, load_format
from cowest.models.config import ModelConfig
from cowest.prompts import Prompts
from cowest.records import GradedExample, PreferencePair, read_rows
from cowest.runs import RunFolder
from cowest.stages._output_folder import make_output_folder
from cowest.stages.feedback_config import FeedbackConfig
from cowest.training import LoRAConfig, TrainedModel
from cowest.training import weights as model_files
from cowest.training.progress import Progress

Feedback = Sequence[PreferencePair] | Sequence[GradedExample] | str | Path


def align(
    start: TrainedModel | str,
    feedback: Feedback | None = None,
    *,
    out: str | Path,
    pairs: Feedback | None = None,
    earlier: Sequence[Feedback] = (),
    config: AlignConfig | None = None,
    lora: LoRAConfig | None = None,
    format: str | Format = "chain_of_thought",
    prompts: Prompts | str | None = None,
    chat_template: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    online: Online | None = None,
) -> TrainedModel:
    """Trains the weak model to write drafts that help the strong one, by the method that `config` names.

    Training continues with the adapter of `start`, and the reference of dpo and kto (pi_SFT of Equation 2) is a frozen
    copy of that adapter: the policy the drafts were sampled from. So in round 1 the reference is the model after SFT,
    and in round 2, which starts from round 1's result, it is that result. Where `start` is a full model (`sft.from`), a
    new adapter is trained and the reference is the full model. training.json names it under "reference".

    An interrupted call resumes from its last checkpoint with the same result; a finished one returns immediately.
    The files in `out` are those of `sft`.

    Args:
        start: the model that drafted: the result of `sft` or of an earlier `align`, or its name or folder.
        feedback: what `feedback` returned or wrote: preference pairs or the path of a pairs.jsonl for dpo with matched
            pairs, graded examples or the path of a graded.jsonl otherwise; or the path of the folder that has both.
        out: the folder for the adapter; not that of `start`.
        pairs: the earlier name of `feedback`.
        earlier: feedback of the rounds before, from the first on, to learn from too, as a recipe's `align.replay` does.
        lora: shape of the adapter; must match the adapter of `start`, if it has one.
        format, prompts: with which the drafts of graded examples were sampled; pairs hold their prompts.
        chat_template: "chatml" or a file, for a full model without one; an adapter that `sft` trained has its own.
        progress: called after each step with steps done, total steps, and the step's metrics; None shows a bar on
            stderr, as the other stages do. `with cowest.quietly():` shows nothing.
        online: for grpo: the queries that feedback asked, and the models that refine and judge its drafts.

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
        InputError: the model, the feedback or a setting is wrong.
        TrainingError: there is nothing to train on, or the loss is not a number.
        InterruptedRun: Ctrl-C; the same call resumes.
        EndpointError, BudgetError: of grpo, as of feedback; the same call resumes.
    """
    given = pairs if feedback is None else feedback
    if given is None or (feedback is not None and pairs is not None):
        raise InputError("align learns from one thing: give feedback, or pairs, which is its earlier name.")
    config = config or AlignConfig()
    folder = Path(out).expanduser()
    weights = model_files.find(start.model if isinstance(start, TrainedModel) else start, chat_template)
    if weights.adapter is not None and weights.adapter.resolve() == folder.resolve():
        raise InputError(f"Alignment would overwrite the adapter it starts from ({str(folder)!r}). Give another out.")
    lessons = lessons_of(given, config, earlier=earlier, format=format, prompts=prompts)
    make_output_folder(folder)
    model_files.require_extras()
    training = Training(start=weights, out=folder, lora=lora, seed=seed, progress=progress, online=online)
    return load_method(config).train(lessons, training)


def lessons_of(
    feedback: Feedback,
    config: AlignConfig,
    *,
    earlier: Sequence[Feedback] = (),
    format: str | Format = "chain_of_thought",
    prompts: Prompts | str | None = None,
) -> Lessons:
    """What a method learns from a round's feedback; the arguments are as in `align`.

    Queries of earlier rounds come first, and `round-1:` and so on stands before their ids. Each round has its own sets
    Y+ and Y- of a query.

    Raises:
        InputError: a file is missing or has other rows, or the method does not learn from what is given.
    """
    method = load_method(config)
    if earlier and method.is_online:
        raise InputError(f"align.method {config.method} samples its own drafts and learns from no earlier rounds.")
    given = [*_replayed(earlier, method), *_rows(feedback, method)]
    pairs = [row for row in given if isinstance(row, PreferencePair)]
    graded = [row for row in given if isinstance(row, GradedExample)]
    if len(given) not in (len(pairs), len(graded)):
        found = ", ".join(sorted({type(row).__name__ for row in given}))
        raise InputError(
            f"align learns from rows that are all PreferencePair or all GradedExample, but was given {found}."
        )
    if pairs:
        return method.from_pairs(pairs)
    templates = prompts if isinstance(prompts, Prompts) else Prompts(prompts)
    template = (load_format(format) if isinstance(format, str) else format).template
    return method.from_graded((row, templates.render(template, query=row.query)) for row in graded)


def rounds_before(run: RunFolder, number: int, config: AlignConfig) -> list[Path]:
    """The folders of the feedback that a round learns from besides its own."""
    return [run.feedback(earlier) for earlier in range(1, number)] if config.replay else []


def holds_nothing(folder: Path, config: AlignConfig, earlier: Sequence[Path] = ()) -> bool:
    """Whether the folder of a round's feedback, which is done, holds nothing that the method of `config` learns from.

    Args:
        earlier: the folders of further rounds that it learns from; what they hold is nothing new.

    Raises:
        InputError: a file is missing or has other rows.
    """
    method = load_method(config)
    if method.reads == PAIRS:
        return (folder / PAIRS).stat().st_size == 0
    before = [row for row in _replayed(earlier, method) if isinstance(row, GradedExample)]
    new = [row for row in _read(folder, method) if isinstance(row, GradedExample)]
    # No prompts: rows are only counted.
    num_before, num_all = (len(method.from_graded((row, ()) for row in rows).rows) for rows in (before, before + new))
    return num_all == num_before


def read_pairs(path: str | Path) -> list[PreferencePair]:
    """Reads a pairs.jsonl.

    Raises:
        InputError: the file is missing, or a row is not a pair.
    """
    advice = "Give the pairs.jsonl that feedback wrote."
    return list(read_rows(Path(path).expanduser(), PreferencePair, "preference pair", advice))


def _replayed(earlier: Sequence[Feedback], method: AlignmentMethod) -> Iterator[PreferencePair | GradedExample]:
    for number, feedback in enumerate(earlier, start=1):
        for row in _rows(feedback, method):
            yield row.model_copy(update={"example_id": f"round-{number}:{row.example_id}"})


def _rows(feedback: Feedback, method: AlignmentMethod) -> Sequence[PreferencePair] | Sequence[GradedExample]:
    return _read(feedback, method) if isinstance(feedback, (str, Path)) else feedback


def _read(path: str | Path, method: AlignmentMethod) -> Sequence[PreferencePair] | Sequence[GradedExample]:
    file = Path(path).expanduser()
    file = file / method.reads if file.is_dir() else file
    if method.reads == PAIRS:
        return read_pairs(file)
    advice = (
        f"{method.config.summary()} learns from drafts with their gains: give the {method.reads} of collaborative or "
        "individual feedback."
    )
    return list(read_rows(file, GradedExample, "graded example", advice))


def refuse_other_feedback(align: AlignConfig, feedback: FeedbackConfig, weak: ModelConfig) -> None:
    """Checks that a method can learn from the feedback of a recipe.

    Raises:
        ValueError: it cannot; for pydantic, which names the recipe.
    """
    if (align.method == "grpo") != (feedback.kind == SOLO):
        raise ValueError(
            f"align.method {align.method} and feedback.kind {feedback.kind} do not go together: grpo samples "
            "drafts while it trains, and feedback.kind solo makes none. Set both, or neither"
        )
    if align.method == "grpo" and weak.provider != "local":
        raise ValueError(
            f"align.method grpo trains the weak model's weights, and weak.model is {weak.model}, on a server. "
            "Give local/FOLDER"
        )
    if align.method == "grpo" and feedback.spend is not None:
        raise ValueError(
            "feedback.spend limits the calls of feedback, and most of those of grpo are made in align. Leave it "
            "out; strong.budget_usd limits them all"
        )
    if align.uses_gains and feedback.kind in COMPARING:
        raise ValueError(
            f"align: {align.summary()} learns from gains, and drafts of feedback.kind {feedback.kind} are compared "
            "with each other and have none. Use align.method dpo with matched pairs and no weight, or another kind"
        )
    if feedback.max_pairs is not None and not align.reads_pairs:
        raise ValueError(
            f"feedback.max_pairs limits the matched pairs of dpo, and align: {align.summary()} learns from all "
            "drafts. Leave it out; feedback.queries limits those"
        )
