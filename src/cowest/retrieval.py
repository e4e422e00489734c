"""Passages for a query: BM25 over a JSONL corpus; the index is kept on disk under the hash of the content."""

import hashlib
import shutil
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from cowest import runs
from cowest.errors import CowestError, InputError
from cowest.plugins import resolve_path
from cowest.types import Record

if TYPE_CHECKING:
    import bm25s

WORDS_A_PASSAGE = 100
"""As in FLARE (Jiang et al. 2023); longer texts of a corpus are cut into passages of this length."""

_WORD = r"(?u)\b\w+\b"


class RetrievalConfig(Record):
    """The section `retrieval` of a recipe: what SKR and FLARE search.

    Attributes:
        corpus: a JSONL file, or `package:file`; each row has a `text` and may have an `id`.
        top_k: passages a query.
    """

    corpus: str | None = None
    top_k: int = Field(default=2, ge=1)


class Passage(NamedTuple):
    """A piece of a corpus."""

    id: str
    text: str


class Retriever:
    """BM25 (Lucene's variant, k1 1.5, b 0.75) over the passages of a corpus. Reads and indexes on first use.

    No stop words and no stemming, so that it works for any language written with spaces. Case is ignored.

    Args:
        corpus: see `RetrievalConfig`.
        top_k: passages a query.
        cache: a folder for the index, named by the hash of the corpus's content; None keeps it in memory.
    """

    def __init__(self, corpus: str, top_k: int = 2, cache: Path | None = None) -> None:
        self.corpus = corpus
        self.top_k = top_k
        self._path = resolve_path(corpus)
        self._cache = cache

    @cached_property
    def passages(self) -> list[Passage]:
        """All passages, in the order of the corpus.

        Raises:
            InputError: the corpus is missing, empty, or a row is broken.
        """
        found = []
        for number, row in enumerate(runs.read_jsonl(self._path), 1):
            text = row.get("text")
            if not isinstance(text, str) or not text.strip():
                raise InputError(
                    f"The corpus {self.corpus!r}, line {number}, has no text. Each row needs a field `text` that "
                    'is not empty, e.g. {"id": "1", "text": "..."}.'
                )
            name, words = str(row.get("id", number)), text.split()
            for start in range(0, len(words), WORDS_A_PASSAGE):
                part = f"#{start // WORDS_A_PASSAGE + 1}" if len(words) > WORDS_A_PASSAGE else ""
                found.append(Passage(name + part, " ".join(words[start : start + WORDS_A_PASSAGE])))
        if not found:
            raise InputError(f"The corpus {self.corpus!r} holds no passage. Give a file with at least one row.")
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the passages: equal only if every search finds the same."""
        sums = hashlib.sha256()
        for passage in self.passages:
            sums.update(repr(tuple(passage)).encode("utf-8", "surrogatepass"))
        return sums.hexdigest()

    def search(self, query: str) -> list[Passage]:
        """The `top_k` best passages, best first; equal ones in the corpus's order.

        Passages that share no word with the query are left out.
        """
        import numpy as np

        words = [word for word in _words([query])[0] if word in self._index.vocab_dict]
        if not words:
            return []
        scores = self._index.get_scores(words)
        count = min(self.top_k, len(scores))
        least = np.partition(scores, -count)[-count]
        candidates = np.flatnonzero((scores >= least) & (scores > 0))
        best = candidates[np.argsort(-scores[candidates], kind="stable")][:count]
        return [self.passages[int(index)] for index in best]

    @cached_property
    def _index(self) -> "bm25s.BM25":
        import bm25s

        folder = None if self._cache is None else self._cache / f"bm25-{bm25s.__version__}-{self.digest[:16]}"
        if folder is not None and folder.is_dir():
            return bm25s.BM25.load(str(folder), mmap=True)
        index = bm25s.BM25()
        index.index(_words([passage.text for passage in self.passages]), show_progress=False)
        if folder is not None:
            _save(index, folder)
        return index


def numbered(passages: list[Passage]) -> str:
    """The passages as a prompt shows them, a line "[1] ..." each; a note where there is none."""
    lines = [f"[{number}] {passage.text}" for number, passage in enumerate(passages, 1)]
    return "\n".join(lines) or "(no passage was found)"


def _words(texts: list[str]) -> list[list[str]]:
    import bm25s

    tokens: list[list[str]] = bm25s.tokenize(
        texts, token_pattern=_WORD, stopwords=None, return_ids=False, show_progress=False
    )
    return tokens


def _save(index: "bm25s.BM25", folder: Path) -> None:
    """Saves an index whole or not at all."""
    partial = folder.with_name(folder.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        index.save(str(partial))
        partial.rename(folder)
    except OSError as error:
        raise CowestError(
            f"The index {str(folder)!r} cannot be written: {error.strerror or error}. Check the disk's free space and "
            "that the folder may be written."
        ) from error
