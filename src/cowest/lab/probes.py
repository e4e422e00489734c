"""Probes of a build: what the models know, whom they follow, and whether anything private leaked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from cowest.lab import grammar, world
from cowest.lab.generation import chat_prompt, generate
from cowest.lab.grammar import Notation
from cowest.lab.names import near_miss
from cowest.lab.templates import render, target
from cowest.lab.world import Query, World

NUM_QUERIES = 300
# What guessing gives: a check is yes or no, a class one of ten, a dose hardly ever right.
CHANCE = 0.6 * 0.01 + 0.2 * 0.5 + 0.2 * 0.1


def final_answer(text: str) -> str:
    """Returns what stands after the last `Answer:`, or the empty string."""
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
    """Returns the share of dose queries answered by the fact of another drug, near-miss in name or any."""
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


def recall_probe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, world_: World) -> dict[str, float]:
    """Measures the weak base: begins a sentence of the formulary about each drug and reads off the fact."""
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
