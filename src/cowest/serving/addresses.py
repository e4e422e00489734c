"""Removes network addresses from what an endpoint or a library said before a client reads it."""

import re

MASK = "[address]"

_MAX_LENGTH = 700
"""Characters of a message; more are cut off."""

_ADDRESS = re.compile(
    r"""
    \b[a-z][a-z0-9+.-]*://[^\s"'<>()\[\]{},;]*(?:\[[0-9a-f:.%]+\])?[^\s"'<>()\[\]{},;]*   # a URL
    | \[[0-9a-f]*:[0-9a-f:.%]*\](?::\d+)?                                    # IPv6 in brackets
    | (?<![\w:.])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])                 # IPv6
    | (?<![\w:.])(?=[0-9a-f:]*::)[0-9a-f:]*[0-9][0-9a-f:]*(?![\w:])
    | (?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\w.]*\w)                 # IPv4
    | \blocalhost\b(?::\d+)?
    | \b[a-z0-9-]+(?:\.[a-z0-9-]+)+:\d{1,5}\b                                # a host with its port
    | \b(?:[a-z0-9-]+\.)+(?:corp|home|internal|intranet|lan|local|svc)\b
    | \b[a-z][a-z0-9-]*:\d{4,5}\b                                            # a host without dots with its port
    | (?<=\bto\ host\ )[\w.-]+(?::\d{1,5})?                                  # as aiohttp, requests and urllib3 say it
    | (?<=\bhost=['"])[^'"]+
    | (?<=\bresolve\ ['"])[^'"]+
    """,
    re.IGNORECASE | re.VERBOSE,
)


def without_addresses(text: str) -> str:
    """The first 700 characters, with `[address]` for URLs, IP addresses, hosts with a port and internal hosts."""
    return _ADDRESS.sub(MASK, text[:_MAX_LENGTH])
