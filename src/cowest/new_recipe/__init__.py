"""A recipe for data files of one's own: what their columns probably are, and its text."""

from cowest.new_recipe.columns import Guess, sample_of
from cowest.new_recipe.draft import DEFAULT_STRONG, DEFAULT_WEAK, Draft, Wishes, make_draft
from cowest.new_recipe.writing import write_recipe

__all__ = ["DEFAULT_STRONG", "DEFAULT_WEAK", "Draft", "Guess", "Wishes", "make_draft", "sample_of", "write_recipe"]
