"""Questions about the shop with their answers: about one fact, or such that take two facts and a small step."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cowest.handbook.shop import HALLS, LINES, Product, Shop

Kind = Literal[
    "price", "weight", "warranty", "hall", "line",
    "cheaper", "heavier", "longer", "sum", "same_hall",
    "budget", "change", "delivery", "van", "member",
]  # fmt: skip
FACT_KINDS: tuple[Kind, ...] = ("price", "weight", "warranty", "hall", "line")
"""About one fact of one product."""
PAIR_KINDS: tuple[Kind, ...] = ("cheaper", "heavier", "longer", "sum", "same_hall")
"""About one fact of each of two products."""
RULE_KINDS: tuple[Kind, ...] = ("budget", "change", "delivery", "van", "member")
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
    "hall": (
        "In which hall is the {a} kept?",
        "Where is the {a} stored?",
        "Which hall holds the {a}?",
        "Where in the stores do I find a {a}?",
    ),
    "line": (
        "Which line does the {a} belong to?",
        "What line is the {a} from?",
        "To which line do we count the {a}?",
        "Which line has the {a}?",
    ),
    "cheaper": ("Which costs less, the {a} or the {b}?", "Which is cheaper, the {a} or the {b}?"),
    "heavier": ("Which weighs more, the {a} or the {b}?", "Which is heavier, the {a} or the {b}?"),
    "longer": (
        "Which has the longer warranty, the {a} or the {b}?",
        "Which is under warranty for longer, the {a} or the {b}?",
    ),
    "sum": ("What do the {a} and the {b} cost together?", "How many euros are a {a} and a {b} together?"),
    "same_hall": (
        "Are the {a} and the {b} kept in the same hall, yes or no?",
        "Do the {a} and the {b} lie in one and the same hall, yes or no?",
    ),
    "budget": (
        "Are {number} euros enough for the {a}, yes or no?",
        "I have {number} euros. Can I buy the {a}, yes or no?",
    ),
    "change": (
        "I pay for the {a} with {number} euros. How many euros do I get back?",
        "How many of {number} euros are left after buying the {a}?",
    ),
    "delivery": (
        "Is delivery free if I order only the {a}, yes or no?",
        "I order one {a} and nothing else. Is delivery free, yes or no?",
    ),
    "van": ("Is the {a} sent by van, yes or no?", "Does the {a} go by van, yes or no?"),
    "member": ("What does a member pay for the {a}?", "How many euros is the {a} for a member?"),
}
"""The ways to ask each kind. Of a question about one fact the last is kept for `facts.jsonl`."""
YES_OR_NO = ("yes", "no")
_COMPARED: dict[Kind, Kind] = {
    "cheaper": "price",
    "heavier": "weight",
    "longer": "warranty",
    "sum": "price",
    "same_hall": "hall",
}


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
    options = {"hall": HALLS, "line": LINES}.get(kind, ())
    return Question(kind, wording.format(a=a.full), _value(kind, a), f"{_say(kind, a)}.", options, a)


def about_pair(kind: Kind, a: Product, b: Product, wording: str) -> Question | None:
    """A question of one of `PAIR_KINDS`; None where both products are equal in what it compares."""
    fact = _COMPARED[kind]
    first, second = getattr(a, fact), getattr(b, fact)
    options: tuple[str, ...] = ()
    if kind == "sum":
        answer = _units(first + second, "euro")
    elif kind == "same_hall":
        answer, options = _yes(first == second), YES_OR_NO
    elif first == second:
        return None
    else:
        answer = f"the {(a if (first < second) == (kind == 'cheaper') else b).full}"
        options = (a.full, b.full)
    facts = f"{_say(fact, a)}. {_say(fact, b)}."
    return Question(kind, wording.format(a=a.full, b=b.full), answer, facts, options, a, b)


def about_rule(kind: Kind, a: Product, shop: Shop, number: int, wording: str) -> Question:
    """A question of one of `RULE_KINDS`; `number` counts for "budget" and "change" only."""
    facts = f"{_say('price', a)}."
    if kind == "budget":
        answer = _yes(number >= a.price)
    elif kind == "change":
        answer = _units(number - a.price, "euro")
    elif kind == "delivery":
        answer = _yes(a.price >= shop.free_delivery)
        facts += f" Delivery is free from {_units(shop.free_delivery, 'euro')}."
    elif kind == "van":
        answer = _yes(a.weight > shop.van_above)
        facts = f"{_say('weight', a)}. Anything above {_units(shop.van_above, 'kilo')} goes by van."
    else:
        discount = shop.discounts[a.line]
        answer = _units(a.price - discount, "euro")
        facts += f" It is from the {a.line} line, on which members save {_units(discount, 'euro')}."
    options = YES_OR_NO if kind in ("budget", "delivery", "van") else ()
    has_number = kind in ("budget", "change")
    text = wording.format(a=a.full, number=number)
    return Question(kind, text, answer, facts, options, a, number=number if has_number else None)


def draw_number(kind: Kind, a: Product, draw: random.Random) -> int:
    """The number of a question: a budget near the price, as often enough as not; or a sum to pay with."""
    if kind == "budget":
        return max(1, a.price + draw.randint(0, 9) if draw.random() < 0.5 else a.price - draw.randint(1, 9))
    return draw.choice([amount for amount in (20, 50, 60, 80, 100) if amount > a.price])


def partner(kind: Kind, a: Product, others: Sequence[Product], draw: random.Random) -> Product | None:
    """A second product for a pair question; of the question about halls the answer is as often yes as no."""
    if kind == "same_hall" and draw.random() < 0.5:
        others = [b for b in others if b.hall == a.hall] or others
    elif kind == "same_hall":
        others = [b for b in others if b.hall != a.hall] or others
    return draw.choice(list(others)) if others else None


def _say(kind: Kind, a: Product) -> str:
    """The fact as a sentence without its full stop."""
    verb = {"price": "costs", "weight": "weighs", "warranty": "has", "hall": "is kept in", "line": "is from the"}[kind]
    behind = {"warranty": " of warranty", "line": " line"}.get(kind, "")
    return f"The {a.full} {verb} {_value(kind, a)}{behind}"


def _value(kind: Kind, a: Product) -> str:
    units = {"price": "euro", "weight": "kilo", "warranty": "year"}
    if kind in units:
        return _units(getattr(a, kind), units[kind])
    return f"hall {a.hall}" if kind == "hall" else a.line


def _units(amount: int, unit: str) -> str:
    return f"{amount} {unit}" if amount == 1 else f"{amount} {unit}s"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
