"""A recipe for a user's own data files: the columns they have, what each probably is, and the recipe's text."""

from cowest.new_recipe.columns import Guess, sample_of
from cowest.new_recipe.draft import DEFAULT_STRONG, DEFAULT_WEAK, Draft, Wishes, make_draft
from cowest.new_recipe.writing import write_recipe

__all__ = ["DEFAULT_STRONG", "DEFAULT_WEAK", "Draft", "Guess", "Wishes", "make_draft", "sample_of", "write_recipe"]
