"""Finding the explanation and the final answer in what a model wrote.

A final answer follows a mark: "Answer:" in one of many languages, a heading, a cell of a table, the sentence "the
answer is", a box of LaTeX, a tag, a field of JSON. Without a mark a reply that is nothing but an answer is one; where
the labels or options of a task are known, so is a reply that opens or closes with one of them. Nothing is guessed.
"""

from cowest.answers.parsing import Vocabulary, explanation_in, parse

__all__ = ["Vocabulary", "explanation_in", "parse"]
