import pytest

from cowest.lab import grammar, pretraining, world
from cowest.lab.templates import render, target
from cowest.plugins import resolve_path

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def invented() -> world.World:
    return world.make_world(0)


@pytest.fixture(scope="module")
def tokenizer():
    """The one that ships."""
    return transformers.AutoTokenizer.from_pretrained(resolve_path("cowest.lab:assets/weak"))


@pytest.mark.slow
def test_every_world_gets_the_tokenizer_that_ships(tokenizer) -> None:
    assert pretraining.make_tokenizer(world.make_world(5)).get_vocab() == tokenizer.get_vocab()


def test_numbers_and_answers_are_single_tokens_and_names_three(tokenizer, invented) -> None:
    answers = [str(number) for number in range(grammar.MAX_NUMBER + 1)] + list(grammar.CLASSES + grammar.NUMBER_WORDS)
    assert all(len(tokenizer.tokenize(f" {answer}")) == 1 for answer in answers)
    lengths = [len(tokenizer.tokenize(f" {drug.name}")) for drug in invented.drugs]
    assert set(lengths) <= {2, 3}
    assert lengths.count(3) >= 0.97 * len(lengths)


def test_any_text_survives_the_round_trip_and_sentences_need_few_tokens(tokenizer, invented) -> None:
    odd = 'What is "Xyzzy", 3.5% of 1999?\n(no idea)'
    assert tokenizer.decode(tokenizer(odd, add_special_tokens=False)["input_ids"]) == odd
    for row in world.make_rows(invented, "validation"):
        draft = target(row["explanation"], row["answer"])
        assert len(tokenizer.tokenize(render("refine", query=row["query"], draft=draft))) < 80


def test_prompt_is_a_prefix_of_prompt_and_completion(tokenizer) -> None:
    user = [{"role": "user", "content": "Is 12 mg of velorin right?"}]
    prompt = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template([*user, {"role": "assistant", "content": "Answer: yes"}], tokenize=False)
    assert whole == prompt + "Answer: yes<|end|>"
    assert tokenizer(whole)["input_ids"][: len(tokenizer(prompt)["input_ids"])] == tokenizer(prompt)["input_ids"]
