"""The finding of a check."""

from typing import Final, NamedTuple

FINE: Final = "✓"
NOTICE: Final = "!"
FAULT: Final = "✗"
DETAIL: Final = " "

FINDINGS = {FINE: "fine", NOTICE: "notice", FAULT: "fault", DETAIL: "detail"}
"""The marks in words."""


class Check(NamedTuple):
    """One finding.

    Attributes:
        mark: FINE, NOTICE, FAULT, or DETAIL for a line that belongs to the one before it.
    """

    mark: str
    line: str
