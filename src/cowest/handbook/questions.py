"""Questions about the shop with their answers: about one fact, or such that take two facts and a small step."""

import random
from dataclasses import dataclass
from typing import Literal

from cowest.handbook.shop import LINES, Product, Shop

Kind = Literal[
    "price", "weight", "warranty", "line",
    "cheaper", "sum", "difference", "load",
    "budget", "change", "delivered", "several", "member", "until",
]  # fmt: skip
FACT_KINDS: tuple[Kind, ...] = ("price", "weight", "warranty", "line")
"""About one fact of one product."""
PAIR_KINDS: tuple[Kind, ...] = ("cheaper", "sum", "difference", "load")
"""About one fact of each of two products."""
RULE_KINDS: tuple[Kind, ...] = ("budget", "change", "delivered", "several", "member", "until")
"""About one product, with a number of the question's own or a rule of the shop."""

WORDINGS: dict[Kind, tuple[str, ...]] = {
    "price": (
        "What does the {a} cost?",
        "How much is the {a}?",
        "What is the price of the {a}?",
        "How many euros do I pay for a {a}?",
    ),
    "weight": (
        "What does the {a} weigh?",
        "How heavy is the {a}?",
        "What is the weight of the {a}?",
        "How many kilos does a {a} have?",
    ),
    "warranty": (
        "How long is the warranty of the {a}?",
        "How many years of warranty does the {a} have?",
        "What warranty comes with the {a}?",
        "For how many years is a {a} under warranty?",
    ),
    "line": (
        "Which line does the {a} belong to?",
        "What line is the {a} from?",
        "To which line do we count the {a}?",
        "Which line has the {a}?",
    ),
    "cheaper": ("Which costs less, the {a} or the {b}?", "Which is cheaper, the {a} or the {b}?"),
    "sum": ("What do the {a} and the {b} cost together?", "How many euros are a {a} and a {b} together?"),
    "difference": (
        "How many euros more does the {a} cost than the {b}?",
        "By how many euros is the {a} dearer than the {b}?",
    ),
    "load": ("What do the {a} and the {b} weigh together?", "How many kilos are a {a} and a {b} together?"),
    "budget": (
        "Are {number} euros enough for the {a}, yes or no?",
        "I have {number} euros. Can I buy the {a}, yes or no?",
    ),
    "change": (
        "I pay for the {a} with {number} euros. How many euros do I get back?",
        "How many of {number} euros are left after buying the {a}?",
    ),
    "delivered": ("What does the {a} cost with delivery?", "How many euros is the {a}, delivery included?"),
    "several": ("What do {number} pieces of the {a} cost?", "How many euros do I pay for {number} of the {a}?"),
    "member": ("What does a member pay for the {a}?", "How many euros is the {a} for a member?"),
    "until": (
        "I bought the {a} in {number}. In which year does its warranty end?",
        "Bought in {number}, until which year is the {a} under warranty?",
    ),
}
"""The ways to ask each kind. Of a question about one fact the last is kept for `facts.jsonl`."""
YES_OR_NO = ("yes", "no")
_COMPARED: dict[Kind, Kind] = {
    "cheaper": "price",
    "sum": "price",
    "difference": "price",
    "load": "weight",
}
_UNITS: dict[Kind, str] = {"price": "euro", "weight": "kilo", "warranty": "year"}


@dataclass(frozen=True)
class Question:
    """A question with what answers it.

    Attributes:
        kind: see `Kind`.
        text: the question.
        answer: the answer.
        facts: sentences with all that is needed to work the answer out.
        options: the answers that are possible; none where it is a number.
        a, b: the products that it is about; `b` is None for all but the pair kinds.
        number: the number in the question, if any.
    """

    kind: Kind
    text: str
    answer: str
    facts: str
    options: tuple[str, ...]
    a: Product
    b: Product | None = None
    number: int | None = None


def about_fact(kind: Kind, a: Product, wording: str) -> Question:
    """A question of one of `FACT_KINDS`."""
    return Question(
        kind, wording.format(a=a.full), _value(kind, a), f"{_say(kind, a)}.", LINES if kind == "line" else (), a
    )


def about_pair(kind: Kind, a: Product, b: Product, wording: str) -> Question | None:
    """A question of one of `PAIR_KINDS`; None where both products are equal in what it compares.

    Of a difference the dearer product comes first.
    """
    fact = _COMPARED[kind]
    if kind == "difference" and a.price < b.price:
        a, b = b, a
    first, second = getattr(a, fact), getattr(b, fact)
    options: tuple[str, ...] = ()
    if kind in ("sum", "load"):
        answer = _units(first + second, _UNITS[fact])
    elif first == second:
        return None
    elif kind == "difference":
        answer = _units(first - second, _UNITS[fact])
    else:
        answer, options = f"the {(a if first < second else b).full}", (a.full, b.full)
    facts = f"{_say(fact, a)}. {_say(fact, b)}."
    return Question(kind, wording.format(a=a.full, b=b.full), answer, facts, options, a, b)


def about_rule(kind: Kind, a: Product, shop: Shop, number: int, wording: str) -> Question:
    """A question of one of `RULE_KINDS`; `number` counts for those whose wordings have one."""
    facts = f"{_say('price', a)}."
    if kind == "budget":
        answer = "yes" if number >= a.price else "no"
    elif kind == "change":
        answer = _units(number - a.price, "euro")
    elif kind == "delivered":
        answer = _units(a.price + shop.delivery, "euro")
        facts += f" Delivery costs {_units(shop.delivery, 'euro')}."
    elif kind == "several":
        answer = _units(number * a.price, "euro")
    elif kind == "until":
        answer, facts = str(number + a.warranty), f"{_say('warranty', a)}."
    else:
        discount = shop.discounts[a.line]
        answer = _units(a.price - discount, "euro")
        facts += f" It is from the {a.line} line, so members pay {_units(discount, 'euro')} less."
    options = YES_OR_NO if kind == "budget" else ()
    asked = number if "{number}" in wording else None
    return Question(kind, wording.format(a=a.full, number=number), answer, facts, options, a, number=asked)


def draw_number(kind: Kind, a: Product, draw: random.Random) -> int:
    """The number of a question: a budget (as often too small as not), an amount paid, pieces, or a year."""
    if kind == "several":
        return draw.choice((2, 3, 4))
    if kind == "until":
        return draw.randint(2010, 2025)
    if kind == "budget":
        return max(1, a.price + draw.randint(0, 9) if draw.random() < 0.5 else a.price - draw.randint(1, 9))
    return draw.choice([amount for amount in (20, 50, 60, 80, 100) if amount > a.price])


def _say(kind: Kind, a: Product) -> str:
    """The fact as a sentence without its full stop."""
    verb = {"price": "costs", "weight": "weighs", "warranty": "has", "line": "is from the"}[kind]
    behind = {"warranty": " of warranty", "line": " line"}.get(kind, "")
    return f"The {a.full} {verb} {_value(kind, a)}{behind}"


def _value(kind: Kind, a: Product) -> str:
    return a.line if kind == "line" else _units(getattr(a, kind), _UNITS[kind])


def _units(amount: int, unit: str) -> str:
    return f"{amount} {unit}" if amount == 1 else f"{amount} {unit}s"
