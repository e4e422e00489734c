import itertools

import pytest

from cowest.lab import grammar


@pytest.mark.parametrize("kind", grammar.KINDS)
def test_no_two_sets_share_a_query_paraphrase(kind: grammar.Kind) -> None:
    sets = [set(grammar.query_templates(kind, name)) for name in ("strong", "train", "validation", "test")]
    assert all(len(templates) >= 25 for templates in sets)
    assert not any(first & second for first, second in itertools.combinations(sets, 2))


@pytest.mark.parametrize("templates", [grammar.rate_templates, grammar.class_templates, grammar.look_templates])
def test_strong_and_weak_share_no_fact_sentence(templates) -> None:
    assert templates("strong")
    assert templates("weak")
    assert not set(templates("strong")) & set(templates("weak"))


def test_every_word_of_a_held_out_paraphrase_is_known_from_the_strong_models_own() -> None:
    for kind in grammar.KINDS:
        known = set(" ".join(grammar.query_templates(kind, "strong")).lower().split())
        for query_set in ("train", "validation", "test"):
            assert set(" ".join(grammar.query_templates(kind, query_set)).lower().split()) <= known
