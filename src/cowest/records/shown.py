"""Results as a person sees them in Python: a table as their text, HTML in a notebook, numbers for pandas."""

import importlib
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from cowest.errors import InputError
from cowest.records.base import Document

if TYPE_CHECKING:
    import pandas

TableRow = dict[str, Any]
"""A row of `to_pandas` by its columns."""


class Drawn(Protocol):
    """A document as it is drawn."""

    @property
    def text(self) -> str:
        """As Markdown."""

    @property
    def html(self) -> str:
        """As HTML."""


class ShownDocument(Document):
    """A document that people look at: `str` gives its table, a notebook shows it as HTML, `to_pandas` gives numbers."""

    DRAWN_BY: ClassVar[str]
    """`module:function` that takes the document and returns it as it is drawn. The module belongs to a higher layer,
    so it is imported by its name when something is to be drawn, as `cowest` does with its public names."""

    def __str__(self) -> str:
        return self._drawn().text

    def _repr_html_(self) -> str:
        return self._drawn().html

    def table_rows(self) -> list[TableRow]:
        """The rows of `to_pandas`; values that do not exist are None."""
        raise NotImplementedError

    def to_pandas(self) -> "pandas.DataFrame":
        """The numbers of the table as a DataFrame, unrounded.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise InputError("to_pandas needs pandas. Run: pip install 'cowest[pandas]'") from error
        return pandas.DataFrame(self.table_rows())

    def _drawn(self) -> Drawn:
        module, _, function = self.DRAWN_BY.partition(":")
        drawn: Drawn = getattr(importlib.import_module(module), function)(self)
        return drawn
