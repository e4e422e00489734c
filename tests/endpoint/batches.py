"""OpenAI's files and batches interface as routes for any aiohttp application: exact, or faulty as configured."""

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Body = dict[str, Any]
Row = dict[str, Any]
Answer = Callable[[Body], Awaitable[tuple[int, Body]]]

URL = "/v1/chat/completions"
UNDER_WAY = ("validating", "in_progress")


@dataclass
class StoredBatch:
    """A batch as the endpoint keeps it: what `GET /v1/batches/{id}` shows, and the requests of its file."""

    shown: Body
    rows: list[Row]
    ending: str
    num_polls: int = 0


@dataclass
class Batches:
    """The interface and how it behaves; may be changed while it runs.

    A batch goes on by one state each time somebody asks for it, so that nothing depends on time.

    Attributes:
        answer: status and body of one request, as a single call would get them.
        key: the only key that is let in; None lets everyone in.
        max_requests, max_bytes: of one file.
        max_waiting: requests that may be under way in all batches together; more fail as too many tokens do at OpenAI.
        endings: how the next batches end: completed, expired, cancelled, or failed; completed when the list is empty.
        refusals: the errors of batches that end as failed.
        is_reached: whether a request of a batch that ends early is answered, by its place in the file.
        line_of: replaces a line of the output; None leaves it out.
        open_: batches end only while this is set.
        lose_replies_to_create: so many batches are made whose maker never hears of it.
        refuse: a response instead of the interface's own, for any request.
        answered: how often each custom_id was answered, which is what is paid.
        asked: how often each route was called.
    """

    answer: Answer
    key: str | None = None
    max_requests: int = 50_000
    max_bytes: int = 200_000_000
    max_waiting: int | None = None
    endings: list[str] = field(default_factory=list)
    refusals: list[Body] = field(default_factory=list)
    is_reached: Callable[[int], bool] = lambda place: place % 2 == 0
    line_of: Callable[[Row, Row], Row | None] = lambda row, line: line
    open_: threading.Event = field(default_factory=threading.Event)
    lose_replies_to_create: int = 0
    refuse: Callable[[web.Request], web.Response | None] = lambda request: None
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, StoredBatch] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.open_.set()
        self._numbers = itertools.count(1)

    @property
    def sizes(self) -> list[int]:
        """Requests of each batch, in order."""
        return [len(batch.rows) for batch in self.batches.values()]

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        app.router.add_post("/v1/files", self._guarded(self._upload))
        app.router.add_get("/v1/files/{id}/content", self._guarded(self._content))
        app.router.add_post("/v1/batches", self._guarded(self._create))
        app.router.add_get("/v1/batches/{id}", self._guarded(self._retrieve))
        app.router.add_get("/v1/batches", self._guarded(self._list))

    def _guarded(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        async def guarded(request: web.Request) -> web.StreamResponse:
            resource = request.match_info.route.resource
            self.asked[f"{request.method} {resource.canonical if resource else request.path}"] += 1
            if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
                return _error(401, "Incorrect API key provided.", "invalid_api_key")
            refused = self.refuse(request)
            return refused if refused is not None else await handler(request)

        return guarded

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if form.get("purpose") != "batch":
            return _error(400, "Invalid purpose.", "invalid_purpose")
        upload = form["file"]
        assert isinstance(upload, web.FileField)
        content = upload.file.read()
        if len(content) > self.max_bytes:
            return _error(413, "The file is too large.", "file_too_large")
        file_id = self._store(content)
        shown = {"id": file_id, "object": "file", "bytes": len(content), "created_at": int(time.time())}
        return web.json_response(shown | {"filename": upload.filename, "purpose": "batch", "status": "processed"})

    async def _content(self, request: web.Request) -> web.StreamResponse:
        content = self.files.get(request.match_info["id"])
        return _error(404, "No such file.", "not_found") if content is None else web.Response(body=content)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        asked: Body = await request.json()
        if asked.get("input_file_id") not in self.files or asked.get("completion_window") != "24h":
            return _error(400, "Invalid input file or completion window.", "invalid_request")
        batch_id = f"batch_{next(self._numbers)}"
        shown = {
            "id": batch_id, "object": "batch", "endpoint": asked["endpoint"], "completion_window": "24h",
            "input_file_id": asked["input_file_id"], "metadata": asked.get("metadata"), "status": "validating",
            "created_at": int(time.time()), "output_file_id": None, "error_file_id": None, "errors": None,
        }  # fmt: skip
        rows = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        ending = self.endings.pop(0) if self.endings else "completed"
        self.batches[batch_id] = StoredBatch(shown, rows, ending)
        if self.lose_replies_to_create:
            self.lose_replies_to_create -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(shown)

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return _error(404, "No such batch.", "not_found")
        if batch.shown["status"] in UNDER_WAY:
            batch.num_polls += 1
            await self._go_on(batch)
        return web.json_response(batch.shown)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        newest_first = [batch.shown for batch in reversed(self.batches.values())]
        ids = [shown["id"] for shown in newest_first]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        page = newest_first[start : start + int(request.query.get("limit", 20))]
        last = page[-1]["id"] if page else None
        more = start + len(page) < len(ids)
        return web.json_response({"object": "list", "data": page, "last_id": last, "has_more": more})

    async def _go_on(self, batch: StoredBatch) -> None:
        shown = batch.shown
        if shown["status"] == "validating":
            errors = self._invalid(batch)
            if errors or batch.ending == "failed":
                shown |= {"status": "failed", "failed_at": int(time.time())}
                shown["errors"] = {"object": "list", "data": errors} if errors else None
            else:
                shown["status"] = "in_progress"
        elif self.open_.is_set():
            await self._end(batch)
        total = len(batch.rows) if shown["status"] != "failed" else 0
        done = total if shown["status"] == "completed" else 0
        shown["request_counts"] = {"total": total, "completed": done, "failed": 0}

    def _invalid(self, batch: StoredBatch) -> list[Body]:
        if batch.ending == "failed":
            return self.refusals
        if len(batch.rows) > self.max_requests:
            return [{"code": "too_many_tasks", "message": "The file has too many requests."}]
        waiting = [each for each in self.batches.values() if each.shown["status"] == "in_progress"]
        if self.max_waiting is not None and sum(len(each.rows) for each in [*waiting, batch]) > self.max_waiting:
            return [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}]
        seen: set[str] = set()
        for number, row in enumerate(batch.rows, 1):
            if row["custom_id"] in seen or len(row["custom_id"]) > 64:
                return [{"code": "invalid_custom_id", "message": row["custom_id"], "line": number}]
            if row["url"] != batch.shown["endpoint"] or row["url"] != URL or row["method"] != "POST":
                return [{"code": "invalid_url", "message": row["url"], "line": number}]
            if row["body"]["model"] != batch.rows[0]["body"]["model"]:
                return [{"code": "mismatched_model", "message": row["body"]["model"], "line": number}]
            seen.add(row["custom_id"])
        return []

    async def _end(self, batch: StoredBatch) -> None:
        output, errors = [], []
        for place, row in enumerate(batch.rows):
            line: Row = {"id": f"batch_req_{place}", "custom_id": row["custom_id"], "response": None, "error": None}
            if batch.ending == "completed" or self.is_reached(place):
                status, body = await self.answer(row["body"])
                self.answered[row["custom_id"]] += status == 200
                line["response"] = {"status_code": status, "request_id": f"req_{place}", "body": body}
            else:
                line["error"] = {"code": f"batch_{batch.ending}", "message": "This request could not be executed."}
            replaced = self.line_of(row, line)
            if replaced is not None:
                response = replaced["response"]
                is_reply = isinstance(response, dict) and response["status_code"] == 200
                (output if is_reply else errors).append(replaced)
        # Endpoints promise no order.
        batch.shown["output_file_id"] = self._store_rows(output[::-1])
        batch.shown["error_file_id"] = self._store_rows(errors)
        batch.shown |= {"status": batch.ending, f"{batch.ending}_at": batch.shown["created_at"] + 7}

    def _store_rows(self, rows: list[Row]) -> str | None:
        return self._store("".join(json.dumps(row) + "\n" for row in rows).encode()) if rows else None

    def _store(self, content: bytes) -> str:
        file_id = f"file-{len(self.files) + 1}"
        self.files[file_id] = content
        return file_id


def _error(status: int, message: str, code: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": code, "code": code}}, status=status)
