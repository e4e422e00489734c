"""Reference replies for training, in the styles of different clerks, so that drafts differ after SFT."""

import random
from typing import Literal

from cowest.handbook.questions import Question

Style = Literal["facts", "answer", "chat"]
SHARES: dict[Style, float] = {"facts": 0.4, "answer": 0.3, "chat": 0.3}
"""The facts before the answer; the answer alone; a friendly sentence that names no fact, before the answer."""

CHAT = (
    "Many of our guests ask about that one.",
    "That is one of my favourites in the whole house.",
    "I looked it up for you just now.",
    "Good that you ask, I know it by heart.",
    "We have talked about it at the counter today.",
    "Let me tell you right away.",
)


def draw_style(draw: random.Random) -> Style:
    """One of the styles, each as often as `SHARES` says."""
    return draw.choices(list(SHARES), weights=list(SHARES.values()))[0]


def explain(question: Question, style: Style, draw: random.Random) -> str:
    """What stands before the answer in this style; empty where nothing does."""
    if style == "chat":
        return draw.choice(CHAT)
    return question.facts if style == "facts" else ""
