"""Validates user input with a pydantic model; errors name the key, the given value and what is allowed."""

from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from cowest.errors import InputError
from cowest.plugins import nearest

_MAX_SHOWN = 50
"""Problems named; the search for a similar name takes time for each."""

Model = TypeVar("Model", bound=BaseModel)


def check(model: type[Model], data: Any, complaint: str) -> Model:
    """Validates `data` as a `model`.

    Args:
        complaint: how the error message begins, e.g. "r.yaml is not a valid recipe".

    Raises:
        InputError: keys or values are wrong; the message names them, with their number beyond the first 50.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors()
        # Each form that a value may have has a problem of its own with it.
        explained = dict.fromkeys(_explain(problem, model) for problem in found[:_MAX_SHOWN])
        problems = "\n".join(f"  {line}" for line in explained)
        if len(found) > _MAX_SHOWN:
            problems += f"\n  ... and {len(found) - _MAX_SHOWN} more."
        raise InputError(f"{complaint}:\n{problems}") from error


def _explain(problem: Any, model: type[BaseModel]) -> str:
    location = [str(part) for part in problem["loc"]]
    path = ".".join(location) or model.__name__
    given = repr(problem["input"])
    if problem["type"] == "extra_forbidden":
        allowed = _allowed_keys(model, location[:-1])
        return f"{path}: there is no such key.{nearest(location[-1], allowed)} Allowed here: {', '.join(allowed)}."
    if problem["type"] == "value_error" and not location:  # keys that contradict each other
        return f"{problem['ctx']['error']}."
    if problem["type"] == "missing":
        return f"{path}: is missing and has no default."
    if location[-1:] == ["api_key_env"]:
        return f"{path}: needs the name of an environment variable, such as OPENAI_API_KEY; never the key itself."
    if "base_url" in location and problem["type"] != "extra_forbidden":  # may contain a password
        path = ".".join(location[: location.index("base_url") + 1])
        return (
            f"{path}: needs an address without spaces and without USER:PASSWORD@, or a list of such; api_key_env names "
            "the key's variable."
        )
    shown = given if len(given) < 80 else given[:77] + "..."
    return f"{path}: got {shown}; {_needs(problem, location)}."


def _needs(problem: Any, location: list[str]) -> str:
    """What is allowed instead, in terms of a recipe rather than of Python."""
    if problem["type"] == "string_pattern_mismatch" and location[-1] == "model":
        return "needs PROVIDER/NAME, e.g. local/FOLDER or openai/gpt-4.1"
    if problem["type"] == "string_pattern_mismatch" and location[-1] == "redact":
        return "needs package.module:function"
    if problem["type"] == "tuple_type":
        return f"needs a list, e.g. [{problem['input']}]"
    if problem["type"] in ("model_type", "dict_type"):
        return "needs a section with keys of its own"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return f"{problem['msg'][0].lower()}{problem['msg'][1:]}"


def _allowed_keys(root: type[BaseModel], path: list[str]) -> list[str]:
    model: Any = root
    for part in path:
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            continue
        models = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_model(kind)]
        model = models[0] if models else model
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
