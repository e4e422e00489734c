"""One example as the page shows it, from its rows: every method's answer, or every draft."""

from typing import Any

from cowest.method_names import STRONG_ONLY, label, pair_of
from cowest.viewer.documents import DraftItem, EvaluatedItem, GradedItem, MethodAnswer
from cowest.viewer.rows import Row, Rows
from cowest.viewer.summaries import as_texts, draft_of


def evaluated(run: str, collection: str, identifier: str, rows: Rows) -> EvaluatedItem:
    """The example that these rows of predictions belong to."""
    methods = {name: found[0] for name, found in rows.items()}
    first = next(iter(methods.values()))
    return EvaluatedItem(
        id=identifier,
        run=run,
        collection=collection,
        query=first.get("query"),
        reference=as_texts(first.get("reference")),
        gold_label=first.get("gold_label"),
        fields=first.get("fields") or {},
        pair=pair_of(methods),
        alone=STRONG_ONLY if STRONG_ONLY in methods else None,
        methods=[_method(name, row) for name, row in methods.items()],
    )


def _method(name: str, row: Row) -> MethodAnswer:
    return MethodAnswer(
        name=name,
        title=label(name),
        draft=row.get("draft"),
        draft_answer=row.get("draft_answer"),
        output=row.get("output"),
        answer=row.get("answer"),
        correct=row.get("correct"),
        scores=row.get("scores"),
        label=row.get("label"),
        error=row.get("error"),
        calls=row.get("calls"),
        latency_s=row.get("latency_s"),
        cost_usd=row.get("cost_usd"),
    )


def graded(run: str, collection: str, identifier: str, rows: Rows) -> GradedItem:
    """The query that these rows of a round's feedback belong to."""
    row = next(iter(rows.get("graded", ())), {})
    pairs = rows.get("pairs", [])
    rewards = [*(row.get("rewards") or ())]
    return GradedItem(
        id=identifier,
        run=run,
        collection=collection,
        query=row.get("query"),
        reference=as_texts(row.get("reference")),
        fields=row.get("fields") or {},
        null=next(iter(rows.get("null_control", ())), None),
        comparisons=row.get("comparisons") or [],
        solo=row.get("solo"),
        solo_verdict=row.get("solo_verdict"),
        skipped=row.get("skipped"),
        failures=[failure.get("reason") for failure in rows.get("failures", ())],
        num_pairs=len(pairs),
        drafts=[
            _draft(each, rewards[place] if place < len(rewards) else None, pairs)
            for place, each in enumerate(row.get("drafts") or ())
        ],
    )


def _draft(row: Row, reward: Any, pairs: list[Row]) -> DraftItem:
    draft = draft_of(row)
    index = draft.get("sample_index")
    return DraftItem(
        index=index,
        text=draft.get("text"),
        finish_reason=draft.get("finish_reason"),
        refined=row.get("refined"),
        verdict=row.get("verdict"),
        gain=row.get("gain"),
        reward=reward,
        chosen_in=[number for number, pair in enumerate(pairs, 1) if pair.get("chosen_sample_index") == index],
        rejected_in=[number for number, pair in enumerate(pairs, 1) if pair.get("rejected_sample_index") == index],
    )
