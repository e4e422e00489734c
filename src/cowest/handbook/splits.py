"""Which questions are in which split. Test questions combine facts that no training question combines."""

import itertools
import random
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from cowest.handbook import references
from cowest.handbook.questions import (
    FACT_KINDS,
    PAIR_KINDS,
    RULE_KINDS,
    WORDINGS,
    Kind,
    Question,
    about_fact,
    about_pair,
    about_rule,
    draw_number,
)
from cowest.handbook.shop import Product, Shop

Split = Literal["train", "validation", "test"]
SHARES: dict[Split, float] = {"train": 0.5, "validation": 0.1, "test": 0.4}
"""Of the pairs of two products, and of a product with a kind of rule question: each is in one split only."""
QUESTIONS_A_PAIR_KIND: dict[Split, int] = {"train": 2, "validation": 1, "test": 1}
"""How often a product is the first of a pair in questions of each kind, at most."""

Row = dict[str, Any]


def rows(shop: Shop, seed: int) -> dict[str, list[Row]]:
    """The rows of train, validation, test and facts, by the name of their file.

    Training rows have an `explanation`. "facts" asks for every
    single fact in wordings that training does not use.
    """
    draw = random.Random(f"questions {seed}")
    pair_split = dict(zip(itertools.combinations(shop.products, 2), _splits(draw), strict=False))
    rule_split = dict(zip(itertools.product(shop.products, RULE_KINDS), _splits(draw), strict=False))
    by_split: dict[str, list[Question]] = {}
    for split in SHARES:
        pairs = {pair for pair, its_split in pair_split.items() if its_split == split}
        rules = [rule for rule, its_split in rule_split.items() if its_split == split]
        by_split[split] = _unique(itertools.chain(_pairs(shop, pairs, split, draw), _rules(shop, rules, split, draw)))
    by_split["train"] = _unique(itertools.chain(by_split["train"], _facts(shop, slice(None, -1))))
    by_split["facts"] = list(_facts(shop, slice(-1, None)))
    for questions in by_split.values():
        draw.shuffle(questions)
    return {
        name: [_row(name, number, question, draw) for number, question in enumerate(questions, start=1)]
        for name, questions in by_split.items()
    }


def _splits(draw: random.Random) -> Iterator[Split]:
    """Splits without end, each as often as `SHARES` says in every ten."""
    ten: list[Split] = [split for split, share in SHARES.items() for _ in range(round(10 * share))]
    while True:
        yield from draw.sample(ten, len(ten))


def _pairs(shop: Shop, pairs: set[tuple[Product, Product]], split: Split, draw: random.Random) -> Iterator[Question]:
    for a, kind in itertools.product(shop.products, PAIR_KINDS):
        if split == "validation" and draw.random() < 0.6:
            continue
        others = [b for b in shop.products if (a, b) in pairs or (b, a) in pairs]
        for _ in range(QUESTIONS_A_PAIR_KIND[split]):
            if others and (question := about_pair(kind, a, draw.choice(others), draw.choice(WORDINGS[kind]))):
                yield question


def _rules(shop: Shop, rules: Iterable[tuple[Product, Kind]], split: Split, draw: random.Random) -> Iterator[Question]:
    for a, kind in rules:
        wordings = WORDINGS[kind] if split == "train" else (draw.choice(WORDINGS[kind]),)
        for wording in wordings:
            yield about_rule(kind, a, shop, draw_number(kind, a, draw), wording)


def _facts(shop: Shop, which: slice) -> Iterator[Question]:
    for a, kind in itertools.product(shop.products, FACT_KINDS):
        for wording in WORDINGS[kind][which]:
            yield about_fact(kind, a, wording)


def _unique(questions: Iterable[Question]) -> list[Question]:
    return list({question.text: question for question in questions}.values())


def _row(name: str, number: int, question: Question, draw: random.Random) -> Row:
    row: Row = {
        "id": f"{name}-{question.kind}-{number}",
        "question": question.text,
        "answer": question.answer,
        "options": list(question.options),
        "facts": question.facts,
        "kind": question.kind,
        "product": question.a.name,
    }
    if name == "train":
        row["explanation"] = references.explain(question, draw)
    return row
