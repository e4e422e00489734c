"""Which web pages may call the server from a browser."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware

from cowest.errors import InputError

_READABLE = ("x-request-id", "server-timing", "retry-after", "x-cowest-degraded", "x-cowest-arm")
"""Headers of an answer that a page's script may read."""


def add_cors(app: Starlette, origins: Sequence[str], key: str | None) -> None:
    """Lets pages of these origins call `app`; call it after the guard is added.

    It must be outside the guard: a browser asks without the key whether it may ask.

    Args:
        key: the bearer token, if clients need one.

    Raises:
        InputError: all pages are allowed, and no key keeps them out.
    """
    if "*" in origins and key is None:
        raise InputError(
            'serve.cors_origins has "*", and no key is set, so any web page that a user of this machine opens could '
            "call the models. Name the origins of your own pages, or set COWEST_API_KEY."
        )
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=_READABLE,
        )
