"""What the labeller learns: to decide, after some reasoning, which of two drafts is better. On public names only."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cowest.lab import grammar, world
from cowest.lab.grammar import FactSet, QuerySet
from cowest.lab.lessons import Lesson, chat_lesson
from cowest.lab.templates import render, target
from cowest.lab.world import Query

Grade = Literal["follows", "other answer", "no fact"]
GRADES: tuple[Grade, ...] = ("follows", "other answer", "no fact")
"""Best first: an answer that follows from the fact beside it; another answer beside a fact; no fact of any use."""

DOSE_SHARE = 0.75
IRRELEVANT_SHARE = 0.55
TIE_SHARE = 0.25


@dataclass(frozen=True)
class Draft:
    """A draft, its grade, and the labeller's remark about it."""

    text: str
    grade: Grade
    remark: str


def public_query(names: Sequence[str], query_set: QuerySet, random_source: random.Random) -> Query:
    """Draws a query about a public drug; its facts are drawn anew each time, so that none can be memorised."""
    drug = world.random_drug(random_source.choice(names), random_source)
    kind = random_source.choices(("dose", "class"), (DOSE_SHARE, 1 - DOSE_SHARE))[0]
    return world.ask(drug, kind, random_source.choice(grammar.WEIGHTS), query_set, random_source)  # type: ignore[arg-type]


def write_draft(query: Query, grade: Grade, fact_set: FactSet, random_source: random.Random) -> Draft:
    """Writes a draft of a grade. Drafts of one query may state different facts: the labeller knows neither to be true.

    Rates are in figures, which strong model A can use; no lesson has rates in words.
    """
    drug = world.random_drug(query.drug.name, random_source)
    stated = replace(query, drug=drug)
    style: world.Style = "figures"
    if grade == "no fact":
        style = "irrelevant" if random_source.random() < IRRELEVANT_SHARE else "vague"
    answer = _answer(stated, grade == "follows", random_source)
    if grade == "no fact":
        remark = f"{answer}. But no {'class' if query.kind == 'class' else 'rate'}."
    else:
        # The verdict follows the number itself: one token further on, this small a model does not learn to compare.
        verdict = "same" if grade == "follows" else "different"
        if query.kind == "class":
            remark = f"{answer}. The class is {drug.drug_class} {verdict}."
        else:
            product = drug.rate * query.weight
            remark = f"{answer}. {drug.rate} mg per kg: {drug.rate} x {query.weight} = {product} {verdict}."
    return Draft(target(world.explain(stated, style, fact_set, random_source), answer), grade, remark)


def _answer(stated: Query, follows: bool, random_source: random.Random) -> str:
    """The answer that follows from what is stated, or another one."""
    drug = stated.drug
    if stated.kind == "class":
        others = [name for name in grammar.CLASSES if name != drug.drug_class]
        return drug.drug_class if follows else random_source.choice(others)
    return str(_number(drug.rate, stated.weight, follows, random_source))


def _number(rate: int, weight: int, follows: bool, random_source: random.Random) -> int:
    while not follows:
        number = random_source.choice(grammar.RATES) * random_source.choice(
            (weight, random_source.choice(grammar.WEIGHTS))
        )
        if number != rate * weight:
            return number
    return rate * weight


def draft_pair(
    names: Sequence[str], query_set: QuerySet, fact_set: FactSet, random_source: random.Random
) -> tuple[Query, Draft, Draft]:
    """Draws a query and two different drafts of it."""
    query = public_query(names, query_set, random_source)
    grades = random_source.sample(GRADES, 2)
    if random_source.random() < TIE_SHARE:
        grades = [grades[0]] * 2
    while True:
        first, second = (write_draft(query, grade, fact_set, random_source) for grade in grades)
        if first.text != second.text:
            return query, first, second


def better(first: Draft, second: Draft) -> str:
    """The vote: "2" where the second is better, else "1".

    Where neither is better the vote is for the first, so that the two orders in which RLAIF asks give a tie.
    """
    return "2" if GRADES.index(second.grade) < GRADES.index(first.grade) else "1"


def comparing_lesson(names: Sequence[str], random_source: random.Random) -> Lesson:
    """Builds one comparison as RLAIF asks for it."""
    query, first, second = draft_pair(names, "strong", "strong", random_source)
    prompt = render("rlaif_compare", query=query.text, first=first.text, second=second.text)
    return chat_lesson(
        prompt, f"The expert one wrote {first.remark} The expert two wrote {second.remark}", better(first, second)
    )


def checking_drill(is_whole: bool, random_source: random.Random) -> Lesson:
    """Builds one line that checks a number against another; only the verdict counts.

    Args:
        is_whole: whether the other number is computed in the line, as in a comparison. A model this small learns to
            check at all only if it is trained first on two numbers with nothing beside them.
        random_source: Decides the rest.
    """
    rate, weight = random_source.choice(grammar.RATES), random_source.choice(grammar.WEIGHTS)
    follows = random_source.random() < 0.5
    number = _number(rate, weight, follows, random_source)
    working = f" {rate} mg per kg: {rate} x {weight}" if is_whole else ""
    line = f" wrote {number}.{working} = {rate * weight}"
    return Lesson(((line, 0.0), (" same" if follows else " different", 1.0)))
