"""The lab's own short prompt templates (paper Figure 7, with fewer tokens) and how they are rendered."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

PROMPTS_FOLDER = Path(__file__).parent / "prompts"


@cache
def _template(name: str) -> Template:
    environment = Environment(loader=FileSystemLoader(PROMPTS_FOLDER), undefined=StrictUndefined, autoescape=False)
    return environment.get_template(f"{name}.txt")


def render(name: str, **fields: str) -> str:
    """Returns the text of one user message.

    Args:
        name: A file of `prompts/` without its ending, for example `refine`.
        **fields: The template's variables: `query`, and for `refine` also `draft`.
    """
    return _template(name).render(**fields)


def target(explanation: str, answer: str) -> str:
    """Returns an assistant's text in the chain-of-thought format of the paper's Figure 7."""
    return f"Explanation: {explanation}\nAnswer: {answer}"
