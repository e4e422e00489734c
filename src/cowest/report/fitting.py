"""A table that fits the width it is printed in: some columns may go, cells may wrap, and a name is never cut."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

# An interval and a p-value stay on one line: "[72.5, 81.5]", "< 0.001".
_UNIT = re.compile(r"\[[^\]\s]*(?:,\s[^\]\s]*)*\]\S*|<\s\S+|\S+")

_SHORT_NAME = 18
"""Names up to this width stay on one line."""


@dataclass(frozen=True)
class FittingTable:
    """Cells as texts, of which as many columns are shown as the width allows; the names of the others are said.

    Attributes:
        columns: the first holds the names of the rows.
        rows: a text for each column, and a style.
        spare: columns that are left out first where the width is short, in this order.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, ...]]
    spare: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws the table: on a terminal in boxes, anywhere else as Markdown, where nothing is left out or wrapped."""
        widths = self._fitted(options.max_width)
        left_out = [name for index, name in enumerate(self.columns) if index not in widths]
        table = Table(
            title=Text(self.title) if self.title else None,
            title_justify="left",
            box=box.ROUNDED if console.is_terminal else box.MARKDOWN,
        )
        for index, width in widths.items():
            heading = Text(wrapped(self.columns[index], width))
            table.add_column(heading, justify="left" if index == 0 else "right", overflow="fold", width=width)
        for *cells, style in self.rows:
            table.add_row(*(Text(wrapped(cells[index], width)) for index, width in widths.items()), style=style)
        yield table
        if left_out:
            names = ", ".join(left_out)
            yield Text(f"Not shown at a width of {options.max_width}: {names}. `| cat` shows all.", style="dim")

    def _fitted(self, width: int) -> dict[int, int]:
        """The width of every column that is shown, by its index."""
        texts = [[name, *(row[index] for row in self.rows)] for index, name in enumerate(self.columns)]
        natural = [max(map(cell_len, column)) for column in texts]
        least = [max(max(map(cell_len, _units(text)), default=0) for text in column) for column in texts]
        least[0] = max(least[0], min(natural[0], _SHORT_NAME))
        shown = list(range(len(self.columns)))
        for name in self.spare:
            if _total([natural[index] for index in shown]) > width and name in self.columns:
                shown.remove(self.columns.index(name))
        if _total([natural[0], *(least[index] for index in shown[1:])]) <= width:
            least[0] = natural[0]  # other cells go over lines before a name does
        while len(shown) > 2 and _total([least[index] for index in shown]) > width:
            shown.pop(-2 if self.columns[shown[-1]] == "verdict" else -1)
        widths = {index: natural[index] for index in shown}
        while (excess := _total(list(widths.values())) - width) > 0:
            widest = max(shown, key=lambda index: widths[index] - least[index])
            if widths[widest] <= least[widest]:
                break  # even a name alone is wider than the terminal: it goes over two lines
            widths[widest] -= min(excess, max(1, (widths[widest] - least[widest]) // 2))
        return widths


def text_table(
    title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]], spare: Sequence[str] = ()
) -> FittingTable:
    """Makes a table; the last entry of each row is its style. Texts come from files and are never read as markup.

    Args:
        spare: columns that are left out first where the width is short, in this order.
    """
    return FittingTable(title, columns, rows, spare)


def _total(widths: Sequence[int]) -> int:
    """The width of a row with its borders."""
    return sum(widths) + 3 * len(widths) + 1


def _units(text: str) -> list[str]:
    return _UNIT.findall(text)


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most `width`; an interval and a p-value stay on one line."""
    return text if cell_len(text) <= width else "\n".join(_lines(text, width))


def _lines(text: str, width: int) -> Iterator[str]:
    line = ""
    for unit in _units(text):
        longer = f"{line} {unit}" if line else unit
        if line and cell_len(longer) > width:
            yield line
            longer = unit
        line = longer
    yield line
