"""What a run that is exported holds: a pair, and a folder whose name must not be exported."""

SECRET_PLACE = "somebody's folder"


def pair(number: int) -> dict[str, object]:
    def said(role: str, content: str) -> list[dict[str, str]]:
        return [{"role": role, "content": content}]

    return {
        "prompt": said("user", f"question {number}"),
        "chosen": said("assistant", f"good {number}"),
        "rejected": said("assistant", f"bad {number}"),
        "example_id": f"q{number}",
        "pair_index": 0,
        "chosen_sample_index": 1,
        "rejected_sample_index": 0,
        "gain_chosen": 3,
        "gain_rejected": -1,
        "finish_reason_chosen": "stop",
        "finish_reason_rejected": "length",
    }
