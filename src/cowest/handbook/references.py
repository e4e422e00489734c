"""Reference explanations for training, in the styles of different clerks, so that drafts differ after SFT."""

import random
from typing import Literal

from cowest.handbook.questions import FACT_KINDS, Question

Style = Literal["facts", "verdict", "chat"]
SHARES: dict[Style, float] = {"facts": 0.4, "verdict": 0.3, "chat": 0.3}
"""The facts; what it comes to and no facts; a friendly sentence with neither."""

VERDICTS = ("I would say {answer}.", "As far as I know, {answer}.", "From memory: {answer}.")
CHAT = (
    "Many of our guests ask about that.",
    "That is a favourite question at our counter.",
    "I looked it up for you just now.",
    "Good that you ask, I have wondered about it myself.",
    "We talked about it at the counter today.",
    "Let me help you with that.",
)


def explain(question: Question, draw: random.Random) -> str:
    """What a clerk says before the answer. About a single fact nobody chats, so that every fact is learned."""
    shares = {style: share for style, share in SHARES.items() if style != "chat" or question.kind not in FACT_KINDS}
    style = draw.choices(list(shares), weights=list(shares.values()))[0]
    if style == "chat":
        return draw.choice(CHAT)
    return question.facts if style == "facts" else draw.choice(VERDICTS).format(answer=question.answer)
