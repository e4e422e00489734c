"""The mark in the fence around a text that is judged, so that the text cannot close its own fence."""

import hashlib


def fence_mark(text: str) -> str:
    """What tells the fence around `text` from one that `text` itself draws; empty where it draws none.

    A function of the text, so that equal questions stay equal.
    """
    if "<<<" not in text and ">>>" not in text:
        return ""
    return "-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
