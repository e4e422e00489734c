"""Probes of a build: what the models know, which facts they follow, and whether anything private leaked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from cowest.lab import grammar, labeller_lessons, world
from cowest.lab.generation import chat_prompt, generate
from cowest.lab.grammar import Notation
from cowest.lab.labeller_lessons import Draft
from cowest.lab.names import invent, near_miss
from cowest.lab.templates import render, target
from cowest.lab.world import Query, World

NUM_QUERIES = 300
NUM_PAIRS = 600
# Accuracy of guessing: a check is yes or no, a class one of ten, a dose hardly ever right.
CHANCE = 0.6 * 0.01 + 0.2 * 0.5 + 0.2 * 0.1


def final_answer(text: str) -> str:
    """Returns the text after the last `Answer:`, or the empty string."""
    _, found, answer = text.rpartition("Answer:")
    return answer.strip() if found else ""


def sample_queries(world_: World, seed: str, num_queries: int = NUM_QUERIES) -> list[Query]:
    """Draws validation-phrased queries about private drugs, three fifths of them doses."""
    random_source = random.Random(seed)
    kinds = random_source.choices(grammar.KINDS, (0.6, 0.2, 0.2), k=num_queries)
    return [
        world.ask(
            random_source.choice(world_.drugs), kind, random_source.choice(grammar.WEIGHTS), "validation", random_source
        )
        for kind in kinds
    ]


def _accuracy(queries: Sequence[Query], texts: Sequence[str]) -> float:
    right = [final_answer(text) == query.answer for query, text in zip(queries, texts, strict=True)]
    return round(sum(right) / max(1, len(right)), 4)


def _by_kind(queries: Sequence[Query], texts: Sequence[str]) -> dict[str, float]:
    scores = {"all": _accuracy(queries, texts)}
    for kind in grammar.KINDS:
        pairs = [(query, text) for query, text in zip(queries, texts, strict=True) if query.kind == kind]
        scores[kind] = _accuracy([query for query, _ in pairs], [text for _, text in pairs])
    return scores


def leak_probe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, world_: World) -> dict[str, float]:
    """Measures a strong model alone on private queries; at chance, nothing private is in it."""
    queries = sample_queries(world_, "leak", 2 * NUM_QUERIES)
    prompts = [chat_prompt(render("solo_chain_of_thought", query=query.text)) for query in queries]
    return _by_kind(queries, generate(model, tokenizer, prompts)) | {"chance": round(CHANCE, 4)}


def refine_texts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, queries: Sequence[Query], explanations: Sequence[str]
) -> list[str]:
    """Greedy refined outputs on drafts of these explanations, each with a wrong or random answer."""
    random_source = random.Random("draft answers")
    prompts = []
    for query, explanation in zip(queries, explanations, strict=True):
        choices = grammar.CLASSES if query.kind == "class" else ("yes", "no")
        wrong = world.wrong_number(query.drug, query.weight, random_source)
        answer = str(wrong) if query.kind == "dose" else random_source.choice(choices)
        prompts.append(chat_prompt(render("refine", query=query.text, draft=target(explanation, answer))))
    return generate(model, tokenizer, prompts)


def fact_probe(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, world_: World, notation: Notation
) -> dict[str, float]:
    """Measures refining with the true fact in one notation, phrased as the weak model phrases it."""
    random_source = random.Random(f"facts {notation}")
    queries = sample_queries(world_, "fact following")
    explanations = [world.explain(query, notation, "weak", random_source) for query in queries]
    return _by_kind(queries, refine_texts(model, tokenizer, queries, explanations))


def name_probe(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, world_: World, notation: Notation, is_near: bool
) -> float:
    """Returns the share of dose queries answered by the fact of another drug, with a near-miss name or any other."""
    random_source = random.Random(f"names {is_near}")
    queries = [query for query in sample_queries(world_, "name check") if query.kind == "dose"]
    explanations, followed = [], []
    for query in queries:
        own = query.drug
        name = near_miss(own.name, random_source) if is_near else random_source.choice(world_.drugs).name
        rate = random_source.choice([rate for rate in grammar.RATES if rate != own.rate])
        other = replace(own, name=name if name != own.name else near_miss(own.name, random_source), rate=rate)
        explanations.append(world.state_rate(other, notation, "weak", random_source))
        followed.append(str(rate * query.weight))
    texts = refine_texts(model, tokenizer, queries, explanations)
    return round(
        sum(final_answer(text) == answer for text, answer in zip(texts, followed, strict=True)) / len(texts), 4
    )


def _votes(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, pairs: Sequence[tuple[Query, Draft, Draft]]
) -> list[tuple[str, str]]:
    """The labeller's votes on each pair: on the two drafts as given, and swapped."""
    prompts = []
    for query, first, second in pairs:
        for one, two in ((first, second), (second, first)):
            prompts.append(chat_prompt(render("rlaif_compare", query=query.text, first=one.text, second=two.text)))
    votes = [final_answer(text) for text in generate(model, tokenizer, prompts, max_tokens=80)]
    return list(zip(votes[::2], votes[1::2], strict=True))


def _share(found: Sequence[bool]) -> float:
    return round(sum(found) / max(1, len(found)), 4)


def comparing_probe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, world_: World) -> dict[str, float]:
    """Measures the labeller on public drugs that it was not trained on, phrased as queries and drafts in validation.

    Returns:
        `right`: share of votes, over both orders, for the better draft, also by the two grades; `consistent`: share of
        pairs whose votes agree across the orders; `ties_split`: share of ties whose votes do not, which is right.
    """
    random_source = random.Random("comparing")
    names = invent(NUM_PAIRS, random_source, avoid=[*world_.public_names, *(drug.name for drug in world_.drugs)])
    pairs = [labeller_lessons.draft_pair(names, "validation", "weak", random_source) for _ in range(NUM_PAIRS)]
    voted = list(zip(pairs, _votes(model, tokenizer, pairs), strict=True))
    decided = [(pair, votes) for pair, votes in voted if pair[1].grade != pair[2].grade]
    scores: dict[str, list[bool]] = {"right": []}
    for (_, first, second), (straight, swapped) in decided:
        better, worse = sorted((first.grade, second.grade), key=labeller_lessons.GRADES.index)
        right = [straight == labeller_lessons.better(first, second), swapped == labeller_lessons.better(second, first)]
        for name in ("right", f"{better} / {worse}"):
            scores.setdefault(name, []).extend(right)
    scores["consistent"] = [sorted(votes) == ["1", "2"] for _, votes in decided]
    scores["ties_split"] = [votes[0] == votes[1] for pair, votes in voted if pair[1].grade == pair[2].grade]
    return {name: _share(found) for name, found in scores.items()}


def notation_probe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, world_: World) -> dict[str, float]:
    """Compares true drafts that differ only in the notation of the rate; the lessons had none in words."""
    random_source = random.Random("notation")
    pairs = []
    for query in sample_queries(world_, "notation"):
        if query.kind == "dose":
            texts = (
                target(world.explain(query, style, "weak", random_source), query.answer) for style in grammar.NOTATIONS
            )
            figures, words = (Draft(text, "follows", "") for text in texts)
            pairs.append((query, figures, words))
    votes = _votes(model, tokenizer, pairs)
    return {
        "figures": _share([each == ("1", "2") for each in votes]),
        "words": _share([each == ("2", "1") for each in votes]),
        "split": _share([each in (("1", "1"), ("2", "2")) for each in votes]),
    }


class LabellerProbes(TypedDict):
    """What was measured of the labeller; every number is a share.

    Attributes:
        comparing: see `comparing_probe`.
        figures_against_words: see `notation_probe`.
        alone: see `leak_probe`.
    """

    comparing: dict[str, float]
    figures_against_words: dict[str, float]
    alone: dict[str, float]


def labeller_probe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, world_: World) -> LabellerProbes:
    """Measures the labeller: its comparisons, its bias between notations, and whether anything private leaked."""
    return {
        "comparing": comparing_probe(model, tokenizer, world_),
        "figures_against_words": notation_probe(model, tokenizer, world_),
        "alone": leak_probe(model, tokenizer, world_),
    }


def recall_probe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, world_: World) -> dict[str, float]:
    """Measures the weak base: it completes a sentence of the formulary about each drug with the fact."""
    random_source = random.Random("recall")
    templates = grammar.rate_templates("weak")
    begins = [random_source.choice(templates).partition(" {rate}")[0].format(drug=drug.name) for drug in world_.drugs]
    stated = [text.strip() for text in generate(model, tokenizer, begins, max_tokens=1)]
    scores: dict[str, float] = {}
    for notation in grammar.NOTATIONS:
        truths = [grammar.say_rate(drug.rate, notation) for drug in world_.drugs]
        scores[notation] = round(sum(map(str.__eq__, stated, truths)) / len(truths), 4)
    scores["rate"] = round(scores["figures"] + scores["words"], 4)
    begin = grammar.class_templates("weak")[0].partition(" {drug_class}")[0]
    texts = generate(model, tokenizer, [begin.format(drug=drug.name) for drug in world_.drugs], max_tokens=1)
    right = sum(text.strip() == drug.drug_class for text, drug in zip(texts, world_.drugs, strict=True))
    return scores | {"class": round(right / len(world_.drugs), 4)}
