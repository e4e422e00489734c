"""Finds plug-ins by name, as modules of a package or as `package.module:Class`, and files inside packages."""

import difflib
import importlib
import importlib.resources
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cowest.errors import InputError


def nearest(name: str, choices: list[str]) -> str:
    """Returns " Did you mean X?" for the choice closest to `name`, or an empty string."""
    match = difflib.get_close_matches(name, choices, n=1)
    return f" Did you mean {match[0]!r}?" if match else ""


def choices(package: str) -> list[str]:
    """Lists the plug-ins of a package: its public modules except `base`."""
    folder = importlib.import_module(package)
    names = (module.name for module in pkgutil.iter_modules(folder.__path__))
    return sorted(name for name in names if name != "base" and not name.startswith("_"))


def load(name: str, package: str, kind: str) -> Any:
    """Finds a plug-in class.

    Args:
        name: the name of a module in `package`, or `package.module:Class` for code outside.
        package: dotted name of the package whose modules are the built-in plug-ins, e.g. "cowest.tasks".
        kind: what an error calls it, e.g. "task".

    Returns:
        The class. A module of `package` names its class in `PLUGIN`.

    Raises:
        InputError: no such module, attribute or file.
    """
    if ":" in name:
        module_name, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module_name), attribute)
        except ModuleNotFoundError as error:
            if error.name is None or not (module_name == error.name or module_name.startswith(error.name + ".")):
                raise
            raise InputError(
                f"The {kind} {name!r} names the module {module_name!r}, which cannot be imported ({error}). "
                "Install it, or put its folder on PYTHONPATH."
            ) from error
        except AttributeError as error:
            raise InputError(f"The {kind} {name!r}: the module {module_name!r} has no {attribute!r}.") from error
        except ValueError as error:
            raise InputError(f"The {kind} {name!r} names no module. Write package.module:Class.") from error
    known = choices(package)
    if name not in known:
        raise InputError(
            f"There is no {kind} named {name!r}.{nearest(name, known)} "
            f"Choices: {', '.join(known)}; or package.module:Class for your own."
        )
    return importlib.import_module(f"{package}.{name}").PLUGIN


def refuse_unknown(
    section: str, made: Callable[..., Any], options: Iterable[str], given: Iterable[str] = (), also: Iterable[str] = ()
) -> None:
    """Refuses options that `made` does not take.

    Args:
        section: of the recipe, for the error, e.g. "task".
        made: the class or function that takes the options as keyword arguments.
        options: names of the given options.
        given: parameters of `made` that are not options.
        also: keys of the section that are not passed to `made`.

    Raises:
        InputError: an option is unknown; the message has the allowed ones and the closest match.
    """
    parameters = inspect.signature(made).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    allowed = sorted(set(parameters) - set(given))
    for option in options:
        if option not in allowed:
            raise InputError(
                f"{section}.{option}: there is no such key.{nearest(option, [*also, *allowed])} "
                f"Allowed here: {', '.join(['name', *also, *allowed])}."
            )


def looked_in(location: str | Path) -> str:
    """Where a relative path was looked for, as a sentence after an error's first; empty for any other location."""
    path = resolve_path(str(location))
    if path.is_absolute():
        return ""
    return f" Looked for in the current folder, {str(Path.cwd())!r}."


def resolve_path(location: str) -> Path:
    """Turns a location into a path: an ordinary path, or `package.module:relative/path` inside an installed package."""
    package, separator, inside = location.partition(":")
    if separator and package.replace("_", "").replace(".", "").isalnum() and "/" not in package:
        try:
            return Path(str(importlib.resources.files(package))) / inside
        except (ModuleNotFoundError, ValueError):
            return Path(location)
    try:
        return Path(location).expanduser()
    except RuntimeError:  # ~NAME of an unknown user
        return Path(location)
