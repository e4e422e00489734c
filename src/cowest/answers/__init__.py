"""Finding the explanation and the final answer in what a model wrote.

A final answer follows a mark: "Answer:" in one of many languages, a heading, a cell of a table, the sentence "the
answer is", a box of LaTeX, a tag, a field of JSON. A text without a mark has no answer; nothing is guessed.
"""

from cowest.answers.parsing import explanation_in, parse

__all__ = ["explanation_in", "parse"]
