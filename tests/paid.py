"""Calls of a role, paid for in a ledger."""

from cowest.ledger import Ledger
from cowest.types import ChatRequest, Completion, Message, Usage

COST_USD = 0.01


def request(number: int) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=f"question {number} " + "x" * 300),))


def key(number: int) -> str:
    return Ledger.key("strong", "m", "", request(number))


async def pay(ledger: Ledger, numbers: range) -> None:
    for number in numbers:
        await ledger.intend(key(number), "strong", "m", request(number))
        reply = Completion(text=f"reply {number}", finish_reason="stop", usage=Usage(), cost_usd=COST_USD)
        await ledger.settle(key(number), reply)
