"""Rows that are not trained on: listed in overlong.jsonl and untrainable.jsonl; an error where no others are left."""

from collections import Counter
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
    said = f"There is nothing to train {stage} on: "
    if not given:
        return kind(f"{said}there are no rows. Give some.")
    said += f"of {given} rows {len(overlong)} are longer than {limit} tokens and {len(untrainable)} hold no target"
    said += f" (listed in {str(out)!r}). "
    if overlong:
        said += "Raise max_length, or use a model with a longer context. "
    if untrainable:
        reason, count = Counter(row["reason"] for row in untrainable).most_common(1)[0]
        said += f"Of {count} the target is missing since: {reason}. "
        if stage == "sft":
            said += "Use another format, or have rows explained (sft.explanations: strong). "
    return kind(said.strip())
