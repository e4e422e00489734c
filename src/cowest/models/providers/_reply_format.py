"""The boundary to endpoints: a reply has its provider's format, or the call has failed; nothing else reads raw JSON."""

import json
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict, TypeAdapter, ValidationError

from cowest.errors import BrokenReplyError, UnrecognizedReplyError
from cowest.models.providers import _remote_failures as failures

Text = Annotated[str, Strict()]
"""A text; half a surrogate pair in it is kept."""

Reason = Annotated[str, Strict(), Field(max_length=100)]
"""Why a model stopped."""

Count = Annotated[int, Strict(), Field(ge=0, le=10**12)]
"""A number of tokens."""

Dollars = Annotated[float, Strict(), Field(ge=0, le=10**6, allow_inf_nan=False)]
"""What a call cost."""


class Format(BaseModel):
    """A part of a reply. Fields that are not read are ignored, whatever is in them."""

    model_config = ConfigDict(frozen=True, extra="ignore")


Form = TypeVar("Form", bound=Format)
Value = TypeVar("Value")


def parse(content: bytes | bytearray | str) -> object:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, or is nested too deeply, or has a number of thousands of digits.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read(form: type[Form], reply: object, where: str) -> Form:
    """A reply as its format has it.

    Raises:
        BrokenReplyError: it has not that format; the message names the first field that is wrong, not its value.
    """
    try:
        return form.model_validate(reply)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "reply"
        raise BrokenReplyError(
            f"{where} sent a reply that is not in its format ({place}: {first['msg']}).", may_be_billed=True
        ) from None


def valid(form: TypeAdapter[Value], value: object) -> Value | None:
    """The value where it is valid, else None: for what a usable reply may lack."""
    if value is None:  # mostly so; an error that is raised takes longer than the whole rest of a reply
        return None
    try:
        return form.validate_python(value)
    except ValidationError:
        return None


def unrecognized(reply: object, where: str, kind: str, secret: str, advice: str = "") -> UnrecognizedReplyError:
    """The error for what is no reply at all, such as a web page."""
    return UnrecognizedReplyError(
        f"{where} did not answer like {kind}; it sent {_excerpt(reply, secret)}.{advice}", may_be_billed=True
    )


def _excerpt(reply: Any, secret: str) -> str:
    try:
        written = repr(reply)
    except RecursionError:
        return "deeply nested JSON"
    # Cut only after the key was taken out, so that no part of it is left.
    return failures.clean(written, secret)[:200]
