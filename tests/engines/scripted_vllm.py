"""A program with the interface of `vllm serve`: its arguments, its paths and its ways to fail, without a model.

    python scripted_vllm.py --version
    python scripted_vllm.py serve MODEL --served-model-name NAME --port PORT ...

A reply is a function of model name, messages and seed. It answers sums, so that a run has something to learn. Arguments
that begin with --scripted say how it behaves; what it does goes to the file of --scripted-events, a JSON line each.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

VERSION = "0.99.1"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--version", action="version", version=os.environ.get("SCRIPTED_VERSION", VERSION))
    serve = parser.add_subparsers(dest="verb", required=True).add_parser("serve", allow_abbrev=False)
    serve.add_argument("model")
    serve.add_argument("--served-model-name", required=True)
    serve.add_argument("--host", required=True)
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--dtype", choices=["auto", "bfloat16", "float16", "float32"])
    serve.add_argument("--seed", type=int)
    serve.add_argument("--tokenizer")
    serve.add_argument("--chat-template")
    serve.add_argument("--tensor-parallel-size", type=int)
    serve.add_argument("--disable-uvicorn-access-log", action="store_true")
    serve.add_argument("--enable-lora", action="store_true")
    serve.add_argument("--lora-modules", nargs="+", default=[])
    serve.add_argument("--max-lora-rank", type=int, choices=[1, 8, 16, 32, 64, 128, 256, 320, 512])
    serve.add_argument("--max-loras", type=int)
    serve.add_argument("--scripted-events", type=Path)
    serve.add_argument("--scripted-dies-at-start", action="store_true")
    serve.add_argument("--scripted-never-healthy", action="store_true")
    serve.add_argument("--scripted-ignores-sigterm", action="store_true")
    serve.add_argument("--scripted-child", action="store_true", help="starts another process, as vLLM does")
    serve.add_argument("--scripted-version", default=VERSION, help="what /version says")
    serve.add_argument("--scripted-port-taken", type=int, default=0, help="of that many first starts")
    serve.add_argument("--scripted-dies", type=int, default=0, help="of that many first starts, each after a request")
    serve.add_argument("--scripted-empty", action="store_true", help="replies are empty")
    serve.add_argument("--scripted-fails", type=int, default=0, help="status 500 for that many first requests")
    return parser.parse_args()


class Scripted(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.num_starts = count_starts(options)
        self.num_calls = 0
        self.lock = threading.Lock()
        self.adapters = dict(adapter(each) for each in options.lora_modules)
        super().__init__((options.host, options.port), Handler)


def count_starts(options: argparse.Namespace) -> int:
    if options.scripted_events is None or not options.scripted_events.is_file():
        return 0
    return sum('"started"' in line for line in options.scripted_events.read_text().splitlines())


def adapter(given: str) -> tuple[str, str]:
    if "=" in given and "," not in given:
        name, path = given.split("=")
        return name, path
    module = json.loads(given)
    return module["name"], module["path"]


def note(options: argparse.Namespace, event: str, **fields: Any) -> None:
    if options.scripted_events is not None:
        line = json.dumps({"event": event, "pid": os.getpid(), **fields}) + "\n"
        with options.scripted_events.open("a") as file:
            file.write(line)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: Scripted

    def do_GET(self) -> None:
        options = self.server.options
        if self.path == "/health":
            self.send(503 if options.scripted_never_healthy else 200, None)
        elif self.path == "/version":
            self.send(200, {"version": options.scripted_version})
        elif self.path == "/v1/models" and self.is_allowed():
            names = [options.served_model_name, *self.server.adapters]
            self.send(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]})
        else:
            self.send(404, {"error": {"message": "not found", "code": 404}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.is_allowed():
            return
        if self.path == "/v1/load_lora_adapter" and os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") == "True":
            note(self.server.options, "loaded", name=body["lora_name"], path=body["lora_path"])
            self.server.adapters[body["lora_name"]] = body["lora_path"]
            self.send(200, None)
        elif self.path == "/v1/chat/completions":
            self.chat(body)
        else:
            self.send(404, {"error": {"message": "not found", "code": 404}})

    def chat(self, body: dict[str, Any]) -> None:
        server = self.server
        with server.lock:
            server.num_calls += 1
            number = server.num_calls
        note(server.options, "called", **body)
        if number > 1 and server.num_starts < server.options.scripted_dies:
            print("CUDA error: an illegal memory access was encountered", flush=True)
            os._exit(1)
        if number <= server.options.scripted_fails:
            self.send(500, {"error": {"message": "try again", "code": 500}})
        elif body["model"] not in {server.options.served_model_name, *server.adapters}:
            self.send(404, {"error": {"message": f"The model `{body['model']}` does not exist.", "code": 404}})
        else:
            self.send(200, completion(body, "" if server.options.scripted_empty else reply(body)))

    def is_allowed(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {os.environ['VLLM_API_KEY']}":
            return True
        self.send(401, {"error": "Unauthorized"})
        return False

    def send(self, status: int, body: object) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def reply(body: dict[str, Any]) -> str:
    """A sum's answer, right with a probability of one half that model, messages and seed decide."""
    decides = json.dumps([body["model"], body["messages"], body["seed"]])
    digest = hashlib.sha256(decides.encode()).hexdigest()
    words = body["messages"][-1]["content"].split()
    first = int(words[words.index("is") + 1]) if "is" in words else 0
    return f"Explanation: {digest[:8]}.\nAnswer: {2 * first + 1 if digest[0] < '8' else -1}"


def completion(body: dict[str, Any], text: str) -> dict[str, Any]:
    tokens = text.split(" ")
    logprobs = {"content": [{"token": token, "logprob": -0.5} for token in tokens]} if body.get("logprobs") else None
    return {
        "object": "chat.completion",
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
                "logprobs": logprobs,
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": len(tokens), "total_tokens": 7 + len(tokens)},
    }


def main() -> None:
    options = arguments()
    server_starts = count_starts(options)
    note(options, "started", argv=sys.argv[1:], gpus=os.environ.get("CUDA_VISIBLE_DEVICES"), parent=os.getppid())
    print(f"vLLM API server version {VERSION} (scripted)", flush=True)
    print(f"the key is {os.environ['VLLM_API_KEY']}", flush=True)
    if options.scripted_dies_at_start:
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", flush=True)
        sys.exit(3)
    if server_starts < options.scripted_port_taken:
        print(f"OSError: [Errno 98] Address already in use: ('127.0.0.1', {options.port})", flush=True)
        sys.exit(1)
    if options.scripted_child:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        note(options, "child", child=child.pid)

    def stop(number: int, frame: object) -> None:
        note(options, "asked to end")
        if not options.scripted_ignores_sigterm:
            os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    server = Scripted(options)
    server.num_starts = server_starts
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
