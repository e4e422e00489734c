"""What a run that is exported holds besides its adapters, and a folder whose name must not be exported."""

from pathlib import Path

from cowest import runs
from cowest.records import PreferencePair, StageInputs
from cowest.types import Message
from tests.report.sample import results, summary

SECRET_PLACE = "somebody's folder"


def pair(number: int) -> PreferencePair:
    return PreferencePair(
        prompt=(Message(role="user", content=f"question {number}"),),
        chosen=(Message(role="assistant", content=f"good {number}"),),
        rejected=(Message(role="assistant", content=f"bad {number}"),),
        example_id=f"q{number}",
        pair_index=0,
        chosen_sample_index=1,
        rejected_sample_index=0,
        gain_chosen=3,
        gain_rejected=-1,
        finish_reason_rejected="length",
    )


def finish(run: Path, base: Path) -> None:
    """Writes what a run of one round holds besides its trainings."""
    recipe = {
        "run": str(run),
        "rounds": 1,
        "task": {"name": "ifqa", "train": f"{base}/train.jsonl"},
        "weak": {"model": f"local/{base}"},
        "strong": {"model": "openai/gpt-4.1", "base_url": "https://internal.example/v1", "api_key_env": "TEAM_KEY"},
        "judge": "strong",
        "align": {"method": "dpo"},
        "feedback": {"kind": "collaborative", "samples": 5},
        "format": "chain_of_thought",
    }
    runs.write_json(run / "recipe.yaml", recipe)  # JSON is YAML
    feedback = run / "round-1" / "feedback"
    summary(3).write(feedback / "summary.json")
    runs.write_jsonl(feedback / "pairs.jsonl", (pair(number) for number in range(3)))
    results().write(run / "evaluate" / "results.json")
    StageInputs(prompt_files={"refine": "b7cc3342ab67"}).write(run / "evaluate" / "inputs.json")
