"""Run folders as the stages write them, with texts that try to be more than text."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cowest.records import ComparedExample, Failure, GradedExample, NullSample, Prediction, PreferencePair
from cowest.runs import RunFolder, write_jsonl, write_text
from cowest.types import Comparison, Draft, GradedDraft, Message, Verdict

EVIL = {
    "script": "<script>window.harmed = true; fetch('http://127.0.0.1:9/stolen')</script>",
    "pre": "</pre></div></body><h1 id='broken-out'>Out</h1><img src=x onerror='window.harmed = true'>",
    "markdown": "# Heading\n![x](http://127.0.0.1:9/x.png) [link](javascript:window.harmed=true) **bold** `code`",
    "rtl": "מהי הבירה? \u202eabc\u202c العاصمة هي أوران",
    "long": "x" * 100_000,
}
SUBJECTS = ("rivers", "bridges", "towns")


def query(number: int) -> str:
    return f"Which town lies behind bridge {number}? It was built in {1800 + number}."


def identifier(number: int) -> str:
    return list(EVIL)[number] if number < len(EVIL) else f"q{number}"


def prediction(method: str, number: int, *, correct: bool) -> Prediction:
    together = method.startswith("collaborate")
    more = EVIL.get(identifier(number), "")
    return Prediction(
        id=identifier(number),
        method=method,
        query=f"{query(number)} {more}",
        reference=(f"Orrin{number}", "Old Orrin"),
        draft=f"Explanation: The dry way is the bridge. {more}\nAnswer: Orrin{number}" if together else None,
        output=f"Explanation: The only dry way is that bridge. {more}\nAnswer: {'Orrin' if correct else 'Belm'}",
        answer=None if number == 7 and together else f"Orrin{number}" if correct else "Belm",
        correct=float(correct),
        scores={"exact_match": float(correct)},
        gold_label="yes" if number % 2 else "no",
        calls={"strong": 1},
        latency_s=0.5,
        cost_usd=0.002,
        error="the endpoint gave no reply" if number == 8 and together else None,
        fields={"subject": SUBJECTS[number % 3], "year": 1800 + number},
    )


def is_right(method: str, number: int) -> bool:
    """Of each four: the pair helps in 0, harms in 1, both are right in 2, both are wrong in 3."""
    return number % 4 in ((0, 2) if method.startswith("collaborate") else (1, 2))


def _verdict(score: int | None, reason: str = "no score") -> Verdict:
    return Verdict(unscored_reason=reason) if score is None else Verdict(score=score)


def graded(number: int) -> GradedExample:
    gains = [(3, -1), (0, -2), (2, 1), (None, 0)][number % 4]
    more = EVIL.get(identifier(number), "")
    return GradedExample(
        example_id=identifier(number),
        query=f"{query(number)} {more}",
        solo=f"Explanation: There is no way known. {more}\nAnswer: none",
        solo_verdict=_verdict(5),
        drafts=tuple(
            GradedDraft(
                draft=Draft(text=f"Explanation: Go over bridge {index}. {more}", sample_index=index),
                refined=f"Explanation: There is one way, over the bridge {index}. {more}\nAnswer: Orrin",
                verdict=_verdict(None if gain is None else 5 + gain),
                gain=gain,
            )
            for index, gain in enumerate(gains)
        ),
        reference=("Orrin",),
        fields={"subject": SUBJECTS[number % 3]},
    )


def null_sample(number: int) -> NullSample:
    return NullSample(
        example_id=identifier(number),
        text=f"Explanation: Perhaps a bridge. {EVIL.get(identifier(number), '')}\nAnswer: guess{number}",
        verdict=_verdict(4 if number else None),
    )


def compared(number: int) -> ComparedExample:
    """A query whose drafts were compared with each other, as RLAIF and RLWF do; that of number 1 has no winner."""
    reason = "neither 1 nor 2" if number == 1 else None
    preference = None if number == 1 else 1.0
    return ComparedExample(
        example_id=f"c{number}",
        query=query(number),
        drafts=tuple(Draft(text=f"Explanation: Draft {index}.", sample_index=index) for index in range(2)),
        comparisons=(Comparison(first=0, second=1, preference=preference, unscored_reason=reason),),
        rewards=(0.25, -1.5),
        reference=("Orrin",),
    )


def pair(number: int) -> PreferencePair:
    prompt, chosen, rejected = ((Message(role="assistant", content=side),) for side in ("prompt", "chosen", "rejected"))
    return PreferencePair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        example_id=identifier(number),
        pair_index=0,
        chosen_sample_index=0,
        rejected_sample_index=1,
    )


def row(record: BaseModel) -> dict[str, Any]:
    """A record as a reader of its file gets it."""
    return record.model_dump(mode="json")


def write_evaluation(folder: Path, num: int, *, better: bool = False) -> None:
    for method in ("collaborate", "strong_only", "weak_only"):
        rows = (
            prediction(method, number, correct=is_right(method, number) or (better and number % 8 == 3))
            for number in range(num)
        )
        write_jsonl(RunFolder(folder).evaluate / "predictions" / f"{method}.jsonl", rows)


def write_run(folder: Path, num: int = 60, *, better: bool = False) -> Path:
    """A run after one round: `num` examples in the evaluation, as many in feedback, and one more that was left out."""
    recipe = f"run: {folder.name}\nrounds: 1\nfeedback: {{queries: {num}, samples: 2}}\nstrong: {{budget_usd: 5}}\n"
    write_text(RunFolder(folder).recipe, recipe)
    write_evaluation(folder, num, better=better)
    feedback = RunFolder(folder).feedback(1)
    write_jsonl(feedback / "graded.jsonl", map(graded, range(num)))
    write_jsonl(feedback / "pairs.jsonl", (pair(number) for number in range(0, num, 4)))
    write_jsonl(feedback / "null_control.jsonl", map(null_sample, range(0, num, 10)))
    write_jsonl(feedback / "failures.jsonl", [Failure(example_id="left", reason=f"no reply {EVIL['script']}")])
    return folder
