"""Run folders as the stages write them, with texts that try to be more than text."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

EVIL = {
    "script": "<script>window.harmed = true; fetch('http://127.0.0.1:9/stolen')</script>",
    "pre": "</pre></div></body><h1 id='broken-out'>Out</h1><img src=x onerror='window.harmed = true'>",
    "markdown": "# Heading\n![x](http://127.0.0.1:9/x.png) [link](javascript:window.harmed=true) **bold** `code`",
    "rtl": "מהי הבירה? \u202eabc\u202c العاصمة هي أوران",
    "long": "x" * 100_000,
}
SUBJECTS = ("rivers", "bridges", "towns")


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def query(number: int) -> str:
    return f"Which town lies behind bridge {number}? It was built in {1800 + number}."


def identifier(number: int) -> str:
    return list(EVIL)[number] if number < len(EVIL) else f"q{number}"


def prediction(method: str, number: int, *, correct: bool) -> dict[str, Any]:
    together = method.startswith("collaborate")
    more = EVIL.get(identifier(number), "")
    return {
        "id": identifier(number),
        "method": method,
        "query": f"{query(number)} {more}",
        "reference": [f"Orrin{number}", "Old Orrin"],
        "draft": f"Explanation: The dry way is the bridge. {more}\nAnswer: Orrin{number}" if together else None,
        "output": f"Explanation: The only dry way is that bridge. {more}\nAnswer: {'Orrin' if correct else 'Belm'}",
        "answer": None if number == 7 and together else f"Orrin{number}" if correct else "Belm",
        "correct": float(correct),
        "scores": {"exact_match": float(correct)},
        "gold_label": "yes" if number % 2 else "no",
        "calls": {"strong": 1},
        "latency_s": 0.5,
        "cost_usd": 0.002,
        "error": "the endpoint gave no reply" if number == 8 and together else None,
        "fields": {"subject": SUBJECTS[number % 3], "year": 1800 + number},
    }


def is_right(method: str, number: int) -> bool:
    """Of each four: the pair helps in 0, harms in 1, both are right in 2, both are wrong in 3."""
    return number % 4 in ((0, 2) if method.startswith("collaborate") else (1, 2))


def graded(number: int) -> dict[str, Any]:
    gains = [(3, -1), (0, -2), (2, 1), (None, 0)][number % 4]
    more = EVIL.get(identifier(number), "")
    return {
        "example_id": identifier(number),
        "query": f"{query(number)} {more}",
        "solo": f"Explanation: There is no way known. {more}\nAnswer: none",
        "solo_verdict": {"score": 5, "unscored_reason": None},
        "drafts": [
            {
                "draft": {"text": f"Explanation: Go over bridge {index}. {more}", "sample_index": index},
                "refined": f"Explanation: There is one way, over the bridge {index}. {more}\nAnswer: Orrin",
                "verdict": {"score": 5 + gain} if gain is not None else {"score": None, "unscored_reason": "no score"},
                "gain": gain,
            }
            for index, gain in enumerate(gains)
        ],
        "skipped": None,
        "reference": ["Orrin"],
        "fields": {"subject": SUBJECTS[number % 3]},
    }


def null_sample(number: int) -> dict[str, Any]:
    return {
        "example_id": identifier(number),
        "text": f"Explanation: Perhaps a bridge. {EVIL.get(identifier(number), '')}\nAnswer: guess{number}",
        "verdict": {"score": 4, "unscored_reason": None} if number else {"score": None, "unscored_reason": "no score"},
    }


def compared(number: int) -> dict[str, Any]:
    """A query whose drafts were compared with each other, as RLAIF and RLWF do."""
    drafts = [{"text": f"Explanation: Draft {index}.", "sample_index": index, "finish_reason": "stop"}
              for index in range(2)]  # fmt: skip
    comparison = {"first": 0, "second": 1, "preference": None if number == 1 else 1.0,
                  "unscored_reason": "neither 1 nor 2" if number == 1 else None}  # fmt: skip
    return {"example_id": f"c{number}", "query": query(number), "drafts": drafts, "comparisons": [comparison],
            "rewards": [0.25, -1.5], "reference": ["Orrin"], "fields": {}}  # fmt: skip


def pair(number: int) -> dict[str, Any]:
    sides = {side: [{"role": "assistant", "content": side}] for side in ("prompt", "chosen", "rejected")}
    return {**sides, "example_id": identifier(number), "chosen_sample_index": 0, "rejected_sample_index": 1}


def write_evaluation(folder: Path, num: int, *, better: bool = False) -> None:
    for method in ("collaborate", "strong_only", "weak_only"):
        rows = (
            prediction(method, number, correct=is_right(method, number) or (better and number % 8 == 3))
            for number in range(num)
        )
        write_lines(folder / "evaluate" / "predictions" / f"{method}.jsonl", rows)


def write_run(folder: Path, num: int = 60, *, better: bool = False) -> Path:
    """A run after one round: `num` examples in the evaluation, as many in feedback, and one more that was left out."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = f"run: {folder.name}\nrounds: 1\nfeedback: {{queries: {num}, samples: 2}}\nstrong: {{budget_usd: 5}}\n"
    (folder / "recipe.yaml").write_text(recipe)
    write_evaluation(folder, num, better=better)
    feedback = folder / "round-1" / "feedback"
    write_lines(feedback / "graded.jsonl", map(graded, range(num)))
    write_lines(feedback / "pairs.jsonl", (pair(number) for number in range(0, num, 4)))
    write_lines(feedback / "null_control.jsonl", map(null_sample, range(0, num, 10)))
    write_lines(feedback / "failures.jsonl", [{"example_id": "left", "reason": f"no reply {EVIL['script']}"}])
    return folder
