"""What one training is: its rows and settings, and where the result goes."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from transformers import TrainingArguments

from cowest.quantization import Quantization
from cowest.records import TrainingRecord
from cowest.training import loading
from cowest.training import rows as token_rows
from cowest.training.row_files import RowFiles, TokenRows
from cowest.training.rows import ChatRow, TokenRow
from cowest.training.settings import TrainingSettings
from cowest.training.trained import TrainedModel
from cowest.training.weights import Weights


@dataclass(frozen=True)
class Job:
    """One training: the stage, its rows and settings, and where the result goes.

    Attributes:
        rows: those within the limit.
        overlong: rows that are too long and left out.
        untrainable: rows left out for other reasons, each with its id and the reason.
        limit: tokens a row may have.
        identity: what else the result depends on, as JSON; part of the fingerprint.
        facts: further fields of training.json.
        chat_template: saved with the adapter, where it is not the base's own.
        quantize: how the base's weights are held; saved with the adapter.
        drafts_a_row: completions that are trained on for each row, where they are sampled while it trains.
        outcome: gives further fields of training.json that are known at the end.
    """

    stage: str
    out: Path
    base: str
    settings: TrainingSettings
    seed: int
    rows: TokenRows
    overlong: list[TokenRow]
    untrainable: list[dict[str, str]]
    limit: int | None
    identity: Mapping[str, object]
    facts: dict[str, Any] = field(default_factory=dict)
    chat_template: str | None = None
    quantize: Quantization | None = None
    drafts_a_row: int = 1
    outcome: Callable[[], dict[str, Any]] = dict

    @classmethod
    def of(
        cls,
        stage: str,
        start: Weights,
        rows: Sequence[ChatRow],
        tokenizer: Any,
        *,
        files: RowFiles,
        arguments: TrainingArguments,
        out: Path,
        settings: TrainingSettings,
        seed: int,
        untrainable: list[dict[str, str]],
        identity: Mapping[str, object],
        facts: dict[str, Any],
        room: int = 0,
        drafts_a_row: int = 1,
        outcome: Callable[[], dict[str, Any]] = dict,
    ) -> Self:
        """Tokenizes rows and makes a job of those that fit `max_length`, or the context where that is not set.

        Args:
            files: where they are kept; the job reads them there.
            arguments: of the trainer.
            room: tokens that are still to be sampled after a row.
        """
        tokenized = files.tokenized(rows, tokenizer, loading.end_ids(start, tokenizer), arguments)
        limit = settings.max_length or loading.context_length(loading.load_config(start), tokenizer)
        fitting, overlong = token_rows.positions_within(tokenized, limit, room)
        return cls(
            stage=stage,
            out=out,
            base=start.base,
            settings=settings,
            seed=seed,
            rows=tokenized.take(fitting) if overlong else tokenized,
            overlong=[tokenized[number] for number in overlong],
            untrainable=untrainable,
            limit=limit,
            identity=identity,
            facts=facts,
            chat_template=start.chat_template,
            quantize=start.quantize,
            drafts_a_row=drafts_a_row,
            outcome=outcome,
        )

    def fingerprint(self) -> str:
        """SHA-256 of everything that the result depends on."""
        parts = {
            "stage": self.stage,
            "settings": self.settings.decisive(),
            "seed": self.seed,
            "rows": token_rows.content_hash(self.rows),
            **self.identity,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def model(self, metrics: TrainingRecord) -> TrainedModel:
        """The result."""
        return TrainedModel(folder=str(self.out), base=self.base, metrics=metrics)
