"""Address and key of a remote endpoint, checked before anything is sent."""

import functools
import ipaddress
import logging
import os
from urllib.parse import urlsplit

from cowest.errors import InputError
from cowest.models.config import ModelConfig

NO_KEY = "none"
"""What is sent as the key to a server on this machine that needs none."""


def find_key(config: ModelConfig, default_env: str) -> str:
    """The key from the environment; `NO_KEY` where a server on this machine needs none.

    Where a recipe names a variable that is not set, such a server is called without a key, and a warning says so.

    Raises:
        InputError: it is not there.
    """
    on_this_machine = config.address is not None and is_loopback(config.address)
    # A key that the recipe does not name was not meant for a server on this machine.
    if on_this_machine and config.api_key_env is None:
        return NO_KEY
    variable = config.api_key_env or default_env
    key = os.environ.get(variable, "").strip()
    if not key and not on_this_machine:
        raise InputError(
            f"{config.model!r} needs a key, and the environment variable {variable} is not set. "
            f"Set it (export {variable}=...), or name another variable in api_key_env."
        )
    if not key:
        _warn_once(
            f"{config.model!r} at {config.base_url} is called without a key: api_key_env names {variable}, which is "
            f"not set. Set it (export {variable}=...), or write `api_key_env: null` if this server needs none."
        )
    return key or NO_KEY


def is_address(url: str) -> bool:
    """Whether `url` is an HTTP address with a host."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def is_loopback(url: str) -> bool:
    """Whether `url` is an address of this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@functools.cache  # a run opens its models many times
def _warn_once(warning: str) -> None:
    logging.getLogger("cowest.models.providers").warning(warning)
