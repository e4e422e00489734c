"""Rows that are not trained on: listed in overlong.jsonl and untrainable.jsonl; an error where no others are left."""

from collections.abc import Sequence
from pathlib import Path

from cowest import runs
from cowest.errors import CowestError, InputError, TrainingError
from cowest.training.rows import TokenRow


def write(out: Path, overlong: Sequence[TokenRow], untrainable: Sequence[dict[str, str]], limit: int | None) -> None:
    """Writes overlong.jsonl and untrainable.jsonl, if there are such rows; removes old ones.

    Args:
        out: the folder of the stage.
        overlong: rows of more than `limit` tokens.
        untrainable: rows without a target, each with its id and the reason.
        limit: tokens that a row may have.
    """
    too_long = [{"id": row.id, "num_tokens": row.num_tokens, "max_length": limit} for row in overlong]
    for name, rows in (("overlong.jsonl", too_long), ("untrainable.jsonl", untrainable)):
        if rows:
            runs.write_jsonl(out / name, rows)
        else:
            (out / name).unlink(missing_ok=True)


def nothing_to_train(
    stage: str, out: Path, overlong: Sequence[TokenRow], untrainable: Sequence[dict[str, str]], limit: int | None
) -> CowestError:
    """The error where all rows of a stage are left out, or none were given."""
    given = len(overlong) + len(untrainable)
    # The rows of SFT are the user's input; pairs are made by the models.
    kind = InputError if stage == "sft" else TrainingError
    return kind(
        f"There is nothing to train {stage} on: of {given} rows {len(overlong)} are longer than {limit} "
        f"tokens and {len(untrainable)} hold no target"
        + (f" (listed in {str(out)!r}). " if given else ". ")
        + ("Raise max_length, use a model with a longer context, or another format" if given else "Give some rows")
        + (", or have rows explained (sft.explanations: strong)." if stage == "sft" and untrainable else ".")
    )
