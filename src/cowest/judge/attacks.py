"""The texts of `attacks.yaml`: orders to a judge, and words that say nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cowest.yaml_reading import read_yaml

_FILE = Path(__file__).parent / "attacks.yaml"
_OUTPUT = "{output}"


@dataclass(frozen=True)
class Attacks:
    """Texts that are tried on a judge.

    Attributes:
        orders: by name, a text around an output that tells the judge what to reply.
        padding: a text that makes an output longer and says nothing.
    """

    orders: Mapping[str, str]
    padding: str

    def attacked(self, name: str, output: str) -> str:
        """The output with the orders of this name."""
        return self.orders[name].replace(_OUTPUT, output)

    def padded(self, explanation: str, answer: str) -> str:
        """An output with this explanation, if any, and answer, made longer."""
        return written(f"{explanation} {self.padding}".strip(), answer)


def written(explanation: str, answer: str) -> str:
    """An output as a model writes it."""
    return f"Explanation: {explanation}\nAnswer: {answer}" if explanation else f"Answer: {answer}"


def load_attacks() -> Attacks:
    """The texts of the package."""
    found = read_yaml(_FILE.read_text(encoding="utf-8"))
    return Attacks(orders=found["attacks"], padding=found["padding"])
