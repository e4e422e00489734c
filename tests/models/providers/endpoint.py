"""A scripted endpoint on loopback, for the wire format of any provider."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cowest.types import ChatRequest, Message


class Endpoint:
    """A loopback server that answers as scripted and records what it was asked.

    Attributes:
        status, headers, body: of its answer; a body that is not bytes is sent as JSON, a function is given the request.
        asked, paths, heard: the bodies, paths and headers of the requests it got.
    """

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = {}
        self.headers: dict[str, str] = {}
        self.release = threading.Event()
        self.release.set()
        self.asked: list[dict[str, Any]] = []
        self.authorization: list[str | None] = []
        self.paths: list[str] = []
        self.heard: list[dict[str, str]] = []
        self.connections: set[Any] = set()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet

            def do_POST(self) -> None:
                endpoint.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                endpoint.authorization.append(self.headers.get("Authorization"))
                endpoint.paths.append(self.path)
                endpoint.heard.append({name.lower(): value for name, value in self.headers.items()})
                endpoint.connections.add(self.client_address)
                endpoint.release.wait(10)
                body = endpoint.body(endpoint.asked[-1]) if callable(endpoint.body) else endpoint.body
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(endpoint.status)
                headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **endpoint.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that has gone away is part of the test."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.root}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def chat(script: Callable[[ChatRequest], str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The body of an OpenAI-compatible endpoint whose model says what `script` does."""

    def body(asked: dict[str, Any]) -> dict[str, Any]:
        text = script(ChatRequest(messages=tuple(Message(**message) for message in asked["messages"])))
        message = {"role": "assistant", "content": text}
        return {
            "id": "1", "object": "chat.completion", "created": 1, "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }  # fmt: skip

    return body
