"""What a run that is exported holds: a pair, and a folder whose name must not be exported."""

from cowest.records import PreferencePair
from cowest.types import Message

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
