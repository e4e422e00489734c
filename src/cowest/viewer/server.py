"""The viewer's HTTP server: one page, its script and style, and JSON; loopback only, and it answers GET only."""

import json
import math
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cowest.errors import InputError
from cowest.viewer.library import Library
from cowest.viewer.query import COMPARED, SORTS, Wanted
from cowest.viewer.summaries import FLAGS

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/diff.js": ("diff.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HOSTS = ("127.0.0.1", "localhost", "::1")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_server(library: Library, port: int = 0) -> ThreadingHTTPServer:
    """A server on loopback that is bound but not yet running; its `server_port` is the port it got.

    Raises:
        InputError: the port is taken.
    """

    class Handler(_Handler):
        runs = library

    try:
        return _Server(("127.0.0.1", port), Handler)
    except (OSError, OverflowError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise InputError(
            f"Port {port} cannot be used ({reason}). Give another with --port, or --port 0 for any that is free."
        ) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # On a taken port two servers would share it, and a page would come from either.
    allow_reuse_port = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Shows an error's traceback, unless the browser closed the connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    runs: Library
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: apart, the body waits for the first to be acknowledged
    server_version = "cowest"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        """Answers a page, its files, or JSON."""
        # DNS rebinding: a foreign site whose name resolves to this address still sends its own name.
        if not _is_own_host(self.headers.get("Host")):
            self._send_json({"error": "This address is not served here."}, HTTPStatus.MISDIRECTED_REQUEST)
            return
        try:
            url = urlsplit(self.path)
        except ValueError as error:
            self._send_json({"error": f"This is no address: {error}."}, HTTPStatus.BAD_REQUEST)
            return
        if url.path in _FILES:
            name, kind = _FILES[url.path]
            self._send((_STATIC / name).read_bytes(), kind)
            return
        question = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        facets = tuple(tuple(each.split("=", 1)) for each in parse_qs(url.query).get("facet", ()) if "=" in each)
        try:
            self._send_json(self._answer(url.path, question, facets))
        except KeyError as error:
            self._send_json({"error": f"There is no {error.args[0]!r} here."}, HTTPStatus.NOT_FOUND)
        except ValueError as error:
            self._send_json({"error": str(error)}, HTTPStatus.BAD_REQUEST)

    def do_HEAD(self) -> None:
        """Answers as GET does, without the body."""
        self.do_GET()

    def _answer(self, path: str, question: dict[str, str], facets: Any) -> Any:
        if path == "/api/runs":
            return self.runs.overview()
        if path == "/api/status":
            return self.runs.status(question["run"])
        if path == "/api/items":
            wanted = Wanted(
                filter=_one_of(question.get("filter", ""), ("", *FLAGS, *COMPARED)),
                facets=facets,
                words=question.get("q", ""),
                sort=_one_of(question.get("sort") or "order", tuple(SORTS)),
                gain_from=_number(question.get("from")),
                gain_to=_number(question.get("to")),
            )
            return self.runs.items(
                question["run"],
                question["set"],
                wanted,
                offset=int(question.get("offset", 0)),
                limit=int(question.get("limit", 50)),
                other=question.get("with") or None,
            )
        if path == "/api/item":
            return self.runs.item(question["run"], question["set"], question["id"])
        raise KeyError(path)

    def _send_json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        # ASCII, since a text can hold half a surrogate pair, which UTF-8 cannot encode. `vars`: a record's fields.
        self._send(json.dumps(value, default=vars).encode("ascii"), "application/json", status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **_HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs no request: the requests name private queries."""

    def log_error(self, format: str, *args: Any) -> None:
        """Writes to stderr what went wrong with a request. A browser that keeps a connection open is no fault."""
        if not any(isinstance(each, TimeoutError) for each in args):
            print(f"view: {format % args}", file=sys.stderr)


def _is_own_host(host: str | None) -> bool:
    # Any port: a page opened through a tunnel has another one.
    try:
        return host is not None and urlsplit(f"//{host}").hostname in _HOSTS
    except ValueError:
        return False


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(each or repr(each) for each in allowed)}.")
    return value


def _number(value: str | None) -> float | None:
    number = float(value) if value else None
    if number is not None and not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number.")
    return number
