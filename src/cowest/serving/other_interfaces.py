"""Interfaces of other servers that clients may expect here: an answer that says where the pair is."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cowest.serving.exchange import error_response
from cowest.serving.wire import APIError

_PATHS = ("/v1/responses", "/v1/completions", "/v1/messages")


def other_interfaces() -> list[Route]:
    """Routes that refuse OpenAI's Responses and Completions and Anthropic's Messages."""
    return [Route(path, _refuse, methods=["GET", "POST"]) for path in _PATHS]


async def _refuse(request: Request) -> Response:
    message = (
        f"{request.url.path} is not served. The pair answers at /v1/chat/completions (in OpenAI's client: "
        "client.chat.completions.create)."
    )
    return error_response(APIError(404, message, code="unknown_url"))
