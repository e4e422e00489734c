"""The examples that a list shows, and the SQL that finds them: filters, fields, gains, order, words of a search."""

import contextlib
import functools
import sqlite3
import unicodedata
from dataclasses import dataclass

from cowest.viewer.summaries import FLAGS

TOKENIZE = "tokenize=\"unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'\""
"""What SQLite's full-text search takes for a word."""

_LAST_CHARACTER = "\U0010ffff"

_MAX_ENDINGS = 256
"""An unfinished word is completed to at most this many words. One with more completions is searched as a whole word,
since joining the lists of thousands of words takes seconds."""

_DIFFERENCE = "items.score - other.score"
SORTS = {
    "order": "items.ord",
    "gain": "items.gain DESC, items.ord",
    "-gain": "items.gain IS NULL, items.gain, items.ord",
    "difference": f"{_DIFFERENCE} DESC, items.ord",
    "-difference": f"{_DIFFERENCE} IS NULL, {_DIFFERENCE}, items.ord",
}
"""What a list can be sorted by; a minus puts the smallest first, and examples without a value come last."""

COMPARED = {
    "above": "items.score > other.score",
    "below": "items.score < other.score",
    "differs": "items.answer IS NOT other.answer OR items.score IS NOT other.score",
    "missing": "other.id IS NULL",
}
"""Filters that need a second run: better here, better there, not the same, missing there."""


@dataclass(frozen=True)
class Wanted:
    """Which examples, in which order.

    Attributes:
        filter: one of FLAGS, one of COMPARED where there is another index, or "" for all.
        facets: field names with the value each must have.
        words: every word must occur; the last one may be unfinished.
        sort: one of SORTS.
        gain_from, gain_to: bounds of the gain, both within; an example without a gain fits none.
    """

    filter: str = ""
    facets: tuple[tuple[str, str], ...] = ()
    words: str = ""
    sort: str = "order"
    gain_from: float | None = None
    gain_to: float | None = None


@dataclass(frozen=True)
class Query:
    """The parts of a list's SQL; `tables`, used for counting, leaves out tables that no condition needs."""

    tables: str
    with_items: str
    where: str
    order: str
    values: tuple[str | float, ...]


def make_query(wanted: Wanted, match: str, is_compared: bool) -> Query:
    """The query of a list.

    Args:
        match: the search as FTS5 takes it, "" for none.
        is_compared: whether another run's index is attached as `there`.
    """
    sort = wanted.sort if is_compared or "difference" not in wanted.sort else "order"
    conditions, values = _item_conditions(wanted, is_compared)
    joined = " LEFT JOIN there.items AS other ON other.id = items.id" if is_compared else ""
    asked = joined if wanted.filter in COMPARED else ""
    sets: list[tuple[str, str, str, tuple[str, ...]]] = []
    if match:
        sets.append(("search", "rowid", "search MATCH ?", (match,)))
    for number, facet in enumerate(wanted.facets):
        sets.append((f"facets AS f{number}", "ord", f"f{number}.name = ? AND f{number}.value = ?", facet))
    if sort != "order" or not sets:
        for table, key, condition, of_it in sets:
            conditions.append(f"items.ord IN (SELECT {key} FROM {table} WHERE {condition})")
            values += of_it
        return Query(f"items{asked}", f"items{joined}", _all(conditions), SORTS[sort], tuple(values))
    # These tables are in the order of the data, so a page is read without the rest.
    first, *others = [f"{table.split()[-1]}.{key}" for table, key, *_ in sets]
    tables = " CROSS JOIN ".join(table for table, *_ in sets)
    links = [f"{other} = {first}" for other in others]
    with_items = f"{tables} CROSS JOIN items ON items.ord = {first}"
    where = _all([condition for *_, condition, _ in sets] + links + conditions)
    of_sets = [value for *_, of_it in sets for value in of_it]
    counted = f"{with_items}{asked}" if conditions else tables
    return Query(counted, f"{with_items}{joined}", where, first, (*of_sets, *values))


def match_of(connection: sqlite3.Connection, text: str, has_terms: bool) -> tuple[str, bool]:
    """A search as FTS5 takes it, "" for none, and whether its last word is taken as a whole word.

    The unfinished last word is replaced by its completions: their lists are read only as far as a page needs, whereas
    those of FTS5's own prefix query are joined completely beforehand.

    Args:
        has_terms: whether the index has its table of words yet.
    """
    terms = words(text)
    if not terms:
        return "", False
    whole = [f'"{term}"' for term in terms]
    if not has_terms:
        return " AND ".join(whole) + "*", False
    last = folded(terms[-1])
    find = "SELECT term FROM terms WHERE term >= ? AND term < ? LIMIT ?"
    begun = [row[0] for row in connection.execute(find, (last, last + _LAST_CHARACTER, _MAX_ENDINGS + 1))]
    if len(begun) > _MAX_ENDINGS or not begun:
        return " AND ".join(whole), len(begun) > _MAX_ENDINGS
    endings = " OR ".join(f'"{term}"' for term in begun)
    return " AND ".join([*whole[:-1], f"({endings})"]), False


def _item_conditions(wanted: Wanted, is_compared: bool) -> tuple[list[str], list[str | float]]:
    conditions: list[str] = []
    values: list[str | float] = []
    for bound, sign in ((wanted.gain_from, ">="), (wanted.gain_to, "<=")):
        if bound is not None:
            conditions.append(f"items.gain {sign} ?")
            values.append(bound)
    if wanted.filter in FLAGS:
        conditions.append(f"items.{wanted.filter}")
    elif wanted.filter in COMPARED and is_compared:
        conditions.append(f"({COMPARED[wanted.filter]})")
    return conditions, values


def _all(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


@functools.lru_cache(maxsize=1000)
def folded(word: str) -> str:
    """A word as the index keeps it, lower case without accents, from the index's own tokenizer."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE VIRTUAL TABLE one USING fts5(text, {TOKENIZE})")
        connection.execute("CREATE VIRTUAL TABLE tokens USING fts5vocab(one, row)")
        connection.execute("INSERT INTO one VALUES (?)", (word,))
        return "".join(row[0] for row in connection.execute("SELECT term FROM tokens"))


def words(text: str) -> list[str]:
    """The words of a search, split as the index splits texts: runs of letters, digits and their marks."""
    kept = (character if unicodedata.category(character)[0] in "LNM" else " " for character in text)
    return "".join(kept).split()
