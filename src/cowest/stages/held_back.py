"""Training rows that are kept out of SFT: drawn by a seed, in whole groups."""

from collections.abc import Sequence
from random import Random

from cowest.errors import InputError
from cowest.types import Example


def hold_back(
    examples: Sequence[Example], groups: Sequence[str | None], count: int, seed: str
) -> tuple[list[Example], list[Example]]:
    """Divides the training rows into those for SFT and those held back, each in the order of the data.

    Rows of one group stay on one side: a model that was trained on one question about a table knows more about the
    others than a model that never saw the table.

    Args:
        groups: what each example belongs to; None where it stands alone.
        count: rows to hold back. Where no set of whole groups has just so many, a few more are.

    Raises:
        InputError: nothing would be left for SFT.
    """
    members: dict[int | str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(index if group is None else group, []).append(index)
    units = list(members.values())
    Random(seed).shuffle(units)
    chosen: set[int] = set()
    for unit in units:
        if len(chosen) + len(unit) <= count:
            chosen.update(unit)
    if len(chosen) < min(count, len(examples)):
        smallest: list[int] = min((unit for unit in units if unit[0] not in chosen), key=len)
        chosen.update(smallest)
    if len(chosen) == len(examples):
        raise InputError(
            f"{count} rows are to be kept out of SFT, but the {len(examples)} training rows belong to {len(units)} "
            "groups, of which each stays on one side, and none is left for SFT. Keep fewer back, or give more rows."
        )
    for_sft = [example for index, example in enumerate(examples) if index not in chosen]
    return for_sft, [examples[index] for index in sorted(chosen)]
