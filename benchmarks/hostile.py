"""Peak memory of a call to an endpoint that sends far too much, each in a process of its own.

python benchmarks/hostile.py
"""

import asyncio
import http.server
import os
import resource
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any

MIB = 2**20


def packed(num_mib: int) -> Iterator[bytes]:
    """Gzip of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(num_mib):
        yield packer.compress(bytes(MIB))
    yield packer.flush()


def twice_packed() -> Iterator[bytes]:
    """Gzip of gzip: a few kB for 1.5 GiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for chunk in packed(1536):
        yield packer.compress(chunk)
    yield packer.flush()


def plain(num_mib: int) -> Iterator[bytes]:
    for _ in range(num_mib):
        yield b"x" * MIB


JSON = "application/json"
BODIES: dict[str, tuple[int, dict[str, str], Any]] = {
    "700 MiB, its length told": (200, {"Content-Type": JSON, "Content-Length": str(700 * MIB)}, lambda: plain(700)),
    "700 MiB in chunks": (200, {"Content-Type": JSON}, lambda: plain(700)),
    "700 MiB of an error": (500, {"Content-Type": JSON}, lambda: plain(700)),
    "1.5 MiB of gzip for 1.5 GiB": (200, {"Content-Type": JSON, "Content-Encoding": "gzip"}, lambda: packed(1536)),
    "gzip of gzip for 1.5 GiB": (200, {"Content-Type": JSON, "Content-Encoding": "gzip, gzip"}, twice_packed),
    "a line of a stream of 500 MiB": (200, {"Content-Type": "text/event-stream"}, lambda: plain(500)),
    "15 MiB of empty lists": (200, {"Content-Type": JSON}, lambda: [b"[" + b"[]," * (5 * MIB - 2) + b"1]"]),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        status, headers, body = list(BODIES.values())[int(self.path.split("/")[1])]
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for chunk in body():
                self.wfile.write(chunk)
        except OSError:
            pass  # the client has had enough

    def log_message(self, *_: Any) -> None:
        pass


async def call(url: str, *, is_stream: bool) -> str:
    """How a call ends."""
    from cowest.models.config import ModelConfig
    from cowest.models.providers.openai import OpenAIModel
    from cowest.types import ChatRequest, Message

    model = OpenAIModel.from_config(ModelConfig(model="openai/m", base_url=url, timeout_s=300), 0)
    try:
        if is_stream:
            body = {"model": "m", "messages": [], "stream": True}
            async with await (await model.chat_post()).events(body) as events:
                return str([event async for event in events])[:100]
        return str(await model.complete(ChatRequest(messages=(Message(role="user", content="hi"),))))[:100]
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:110]}"
    finally:
        await model.close()


def main() -> None:
    if len(sys.argv) > 1:
        started = time.perf_counter()
        said = asyncio.run(call(sys.argv[1], is_stream=len(sys.argv) > 2))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{peak:,.0f} MiB | {time.perf_counter() - started:.1f} s | {said}")
        return
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("| what is sent | peak memory | time | how the call ends |\n|---|---|---|---|")
    for number, name in enumerate(BODIES):
        command = [sys.executable, __file__, f"http://127.0.0.1:{server.server_port}/{number}"]
        command += ["stream"] if "stream" in name else []
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        print(f"| {name} | {result.stdout.strip() or f'ended with {result.returncode}'} |", flush=True)


if __name__ == "__main__":
    main()
