import pytest

from cowest.viewer.query import folded, words


@pytest.mark.parametrize(
    ("word", "kept"), [("Éclair", "eclair"), ("STRASSE", "strasse"), ("ΣΑΣ", "σασ"), ("हिन्दी", "हिन्दी")]
)
def test_words_are_folded_as_the_index_folds_them(word: str, kept: str) -> None:
    assert folded(word) == kept


def test_words_part_a_search_as_the_index_parts_texts() -> None:
    assert words("foo-bar_baz, हिन्दी") == ["foo", "bar", "baz", "हिन्दी"]
