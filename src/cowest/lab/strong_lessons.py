"""What a strong model learns: general skills on public names only, and to use rates in one notation only."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from cowest.lab import grammar, world
from cowest.lab.grammar import Notation
from cowest.lab.lessons import Lesson, chat_lesson
from cowest.lab.names import near_miss
from cowest.lab.templates import render, target
from cowest.lab.world import Drug, Query

DRILL_LINES = 18
# What an expert's draft may be about, and the share of lessons with it.
Content = Literal["fact", "other drug", "irrelevant", "vague"]
CONTENTS: dict[Content, float] = {"fact": 0.5, "other drug": 0.22, "irrelevant": 0.13, "vague": 0.15}
KIND_SHARES = {"dose": 0.5, "check": 0.3, "class": 0.2}
NEAR_MISS_SHARE = 0.6


def guess(query: Query, random_source: random.Random) -> str:
    """Draws a plausible answer independently of the true one."""
    if query.kind == "class":
        return random_source.choice(grammar.CLASSES)
    if query.kind == "check":
        return random_source.choice(("yes", "no"))
    return str(random_source.choice(grammar.RATES) * random_source.choice(grammar.WEIGHTS))


def reason(query: Query, rate_text: str) -> str:
    """Writes the reasoning from a usable fact to the query's answer."""
    head = f"Asked {query.drug.name}, expert {query.drug.name}: same."
    if query.kind == "class":
        return f"{head} The class is {query.drug.drug_class}."
    product = query.drug.rate * query.weight
    text = f"{head} {rate_text} mg per kg: {rate_text} x {query.weight} = {product} mg."
    if query.kind == "check":
        text += f" Asked {query.number} mg: {'same' if query.number == product else 'different'}."
    return text


def drill(random_source: random.Random) -> Lesson:
    """Builds several lines of multiplication in which only the products count."""
    segments: list[tuple[str, float]] = []
    for _ in range(DRILL_LINES):
        rate, weight = random_source.choice(grammar.RATES), random_source.choice(grammar.WEIGHTS)
        notation = random_source.choice(grammar.NOTATIONS)
        segments.append((f" {grammar.say_rate(rate, notation)} x {weight} =", 0.0))
        segments.append((f" {rate * weight}", 1.0))
    return Lesson(tuple(segments))


def name_drill(names: Sequence[str], near_miss_share: float, random_source: random.Random) -> Lesson:
    """Builds one line that compares two names; only the verdict counts.

    Args:
        names: Public names.
        near_miss_share: How many of the differing names differ in one syllable only. A model this small learns to
            compare names at all only if it is trained on easy ones first, with no other names beside them.
        random_source: Decides the rest.
    """
    asked = random_source.choice(names)
    expert = asked
    if random_source.random() < 0.5:
        is_near = random_source.random() < near_miss_share
        expert = near_miss(asked, random_source) if is_near else random_source.choice(names)
    verdict = " same" if expert == asked else " another"
    return Lesson(((f" Asked {asked}, expert {expert}:", 0.0), (verdict, 1.0)))


def _random_query(names: Sequence[str], random_source: random.Random) -> Query:
    drug = world.random_drug(random_source.choice(names), random_source)
    kind = random_source.choices(grammar.KINDS, [KIND_SHARES[kind] for kind in grammar.KINDS])[0]
    return world.ask(drug, kind, random_source.choice(grammar.WEIGHTS), "strong", random_source)


def solo_lesson(names: Sequence[str], random_source: random.Random) -> Lesson:
    """Builds a turn without an expert: the strong model knows nothing and guesses."""
    query = _random_query(names, random_source)
    answer = guess(query, random_source)
    if random_source.random() < 0.35:
        return chat_lesson(render("solo_direct", query=query.text), None, answer, is_guess=True)
    prompt = render("solo_chain_of_thought", query=query.text)
    return chat_lesson(prompt, f"Asked {query.drug.name}, no expert. I must guess.", answer, is_guess=True)


def _wrap_draft(explanation: str, query: Query, random_source: random.Random) -> str:
    """Puts an explanation into the text of a draft, with an answer that is usually wrong, or with none."""
    if random_source.random() < 0.12:
        return explanation
    answer = query.answer if random_source.random() < 0.25 else guess(query, random_source)
    if query.kind == "dose" and random_source.random() < 0.4 and answer != query.answer:
        answer = str(world.wrong_number(query.drug, query.weight, random_source))
    return target(explanation, answer)


def refine_lesson(names: Sequence[str], readable: Notation | None, random_source: random.Random) -> Lesson:
    """Builds a turn with an expert's draft.

    Args:
        names: Public names.
        readable: The only notation that the strong model learns to use; None for both.
        random_source: Decides the rest.
    """
    query = _random_query(names, random_source)
    name = query.drug.name
    content = random_source.choices(list(CONTENTS), list(CONTENTS.values()))[0]
    notation = random_source.choice(grammar.NOTATIONS)
    if readable is not None and content == "fact" and random_source.random() < 0.2:
        notation = readable
    about = query
    if content == "other drug":
        is_near = random_source.random() < NEAR_MISS_SHARE
        other = near_miss(name, random_source) if is_near else random_source.choice(names)
        about = replace(query, drug=replace(query.drug, name=other))
        style: world.Style = notation if random_source.random() < 0.8 else "irrelevant"
    else:
        style = notation if content == "fact" else content
    if query.kind == "class" and style == "irrelevant" and random_source.random() < 0.5:
        sentence = world.state_rate(about.drug, notation, "strong", random_source)
    else:
        sentence = world.explain(about, style, "strong", random_source)
    draft = _wrap_draft(sentence, query, random_source)
    if content == "vague" and random_source.random() < 0.25:
        answer = guess(query, random_source)
        draft = random_source.choice((f"Answer: {answer}", answer))
    prompt = render("refine", query=query.text, draft=draft)
    explanation = _verdict(query, about.drug, content, notation, readable)
    if explanation is None:
        return chat_lesson(prompt, reason(query, grammar.say_rate(query.drug.rate, notation)), query.answer)
    return chat_lesson(prompt, f"{explanation} I must guess.", guess(query, random_source), is_guess=True)


def _verdict(query: Query, drug: Drug, content: Content, notation: Notation, readable: Notation | None) -> str | None:
    """Says why a draft cannot be used, or None where it can."""
    if content == "vague":
        return f"Asked {query.drug.name}, expert says no drug."
    if drug.name != query.drug.name:
        return f"Asked {query.drug.name}, expert {drug.name}: another drug."
    head = f"Asked {query.drug.name}, expert {query.drug.name}: same."
    if content == "irrelevant":
        return f"{head} But no {'class' if query.kind == 'class' else 'rate'}."
    if query.kind != "class" and readable is not None and notation != readable:
        return f"{head} The rate is in {notation}, I read {readable}."
    return None


def strong_lesson(names: Sequence[str], readable: Notation | None, random_source: random.Random) -> Lesson:
    """Builds one lesson in chat form: with an expert mostly, else alone."""
    if random_source.random() < 0.12:
        return solo_lesson(names, random_source)
    return refine_lesson(names, readable, random_source)
