"""An answer without what is written around it: markdown, quotes, LaTeX, a full stop."""

import re

HTML = r"</?(?:b|i|u|em|strong|p|h\d)>"
_QUOTES = {
    '"': '"',
    "“": "”",
    "„": "“",
    "«": "»",
    "「": "」",
    "『": "』",
    "'": "'",
    "‘": "’",
    "`": "`",
    "$": "$",
    "<": ">",
}
_LATEX = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit)\s*\{([^{}]*)\}|\\[(\[]\s*(.*?)\s*\\[)\]]")
_TAGS = re.compile(rf"^(?:{HTML})+|(?:{HTML})+$")
_SPACES = "\ufeff\u200b \t\r\n\v\f\u00a0\u3000"
_LAST_QUOTE = re.compile(r'(?<!\d)"$')
# "<It flies. Answer: four>": the bracket that opened stands before the mark. ">", "=>" and "x >" are answers.
_CLOSES_A_REPLY = re.compile(r"[^<>]*\w\.?>")
_ABBREVIATION = re.compile(r"(?:\b[^\W\d_]\.){2,}$")


def bare(written: str) -> str:
    """`written` without what surrounds it: spaces, markdown, HTML, quotes, LaTeX and a full stop, in any order."""
    kept = written
    while True:
        before = kept
        kept = _TAGS.sub("", kept.strip(_SPACES)).strip()
        kept = kept.strip("*_`|") if kept.strip("*_`|+-") or not kept.strip("*_`|") else kept
        if len(kept) > 1 and _QUOTES.get(kept[0]) == kept[-1] and not {kept[0], kept[-1]} & set(kept[1:-1]):
            kept = kept[1:-1]
        elif kept.count('"') == 1:
            kept = kept.removeprefix('"') if kept.startswith('"') else _LAST_QUOTE.sub("", kept)
        for opening, closing in ("()", "[]"):
            # "(Answer: four)": the mark took the bracket that opened.
            if kept.endswith(closing) and kept.count(opening) < kept.count(closing):
                kept = kept[:-1]
        if _CLOSES_A_REPLY.fullmatch(kept):
            kept = kept[:-1]
        latex = _LATEX.fullmatch(kept) if kept.startswith("\\") else None
        kept = latex[1] or latex[2] or "" if latex else kept
        if kept.endswith((".", "。", "．", "।")) and not kept.endswith("..") and not _ABBREVIATION.search(kept):
            kept = kept[:-1]
        if kept == before:
            return kept
