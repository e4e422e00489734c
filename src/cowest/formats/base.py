"""The interface of formats: the prompt for a draft, the SFT target, and how a draft is parsed."""

from typing import Protocol

from cowest.types import Answer, Example


class Format(Protocol):
    """A way for the weak model to inform the strong one (paper section 4.3, Figure 3)."""

    name: str
    template: str
    """Name of the prompt template that asks for a draft."""

    def target(self, example: Example) -> str | None:
        """The SFT target for `example`; None where the example lacks what this format needs."""
        ...

    def parse(self, text: str) -> Answer:
        """Parses a draft; `final` stays None in a format whose drafts hold no answer."""
        ...
