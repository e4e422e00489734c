"""What a server is given to serve: a full model, and adapters under names made of their hashes."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Adapter(NamedTuple):
    """A LoRA adapter.

    Attributes:
        name: contains the hash of its files. A server never gets other files under the same name, since vLLM has been
            seen to go on with the old ones (issue 42125 of vLLM).
        folder: in PEFT's format.
        rank: of its matrices.
    """

    name: str
    folder: Path
    rank: int


@dataclass(frozen=True)
class Deployment:
    """A full model as it is served.

    Attributes:
        name: what requests call it; contains the hash of its files.
        model: its folder.
        tokenizer: the folder of its tokenizer.
        chat_template: the text that stands in for the tokenizer's; None where it is the tokenizer's own.
        dtype: of weights and activations.
        seed: of the engine.
        version: of the engine, which every server must confirm.
    """

    name: str
    model: Path
    tokenizer: Path
    chat_template: str | None
    dtype: str
    seed: int
    version: str
