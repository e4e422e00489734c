"""Prompt templates (paper Figure 7), each replaceable by a file of the same name.

Templates are a part of Jinja2: variables, `if` and a few filters, rendered in a sandbox. A variable that is not given
is an error. What a model or a data set wrote goes in as a value and is never rendered itself.
"""

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cowest.errors import InputError
from cowest.plugins import looked_in, nearest, resolve_path
from cowest.types import Message

BUILT_IN = Path(__file__).parent

# What cannot take more time or memory than its text and its values are long: no loops, calls, sums or other files.
_ALLOWED = (
    *(nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr, nodes.Not, nodes.And),
    *(nodes.Or, nodes.Compare, nodes.Operand, nodes.Test, nodes.Filter, nodes.Concat),
)
_FILTERS = frozenset(
    "capitalize count d default e escape first int last length lower safe string title tojson trim upper".split()
)
_IN_WORDS = "A template may use {{ variables }}, {% if %} and the filters " + ", ".join(sorted(_FILTERS))

MARK = "mark"
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)
_UNFENCED = (
    "the prompt template {path!r} has no {{{{ mark }}}}, so a text that is judged could end its own fence and give the "
    'judge orders; write <<<OUTPUT{{{{ mark | default("") }}}} before it and OUTPUT{{{{ mark | default("") }}}}>>> '
    "after it, as the built-in template does"
)


class Prompts:
    """A set of prompt templates by name.

    Args:
        folder: a folder whose `NAME.txt` files replace the built-in ones; a path or `package:folder`.

    Attributes:
        unfenced: a warning by name for each template of the folder that takes text to be judged without `{{ mark }}`,
            which keeps such a text from closing the fence around itself.

    Raises:
        InputError: the folder is missing, or holds none, or one whose name is unknown or that cannot be rendered.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._paths = dict(_shipped_paths())
        self._source = functools.cache(self._read)
        self.unfenced: dict[str, str] = {}
        self._folder = folder
        if folder is not None:
            self._replace(resolve_path(str(folder)))

    def __reduce__(self) -> tuple[type["Prompts"], tuple[str | Path | None]]:
        """Another process reads the same templates again."""
        return Prompts, (self._folder,)

    def _replace(self, folder: Path) -> None:
        if not folder.is_dir():
            what = "is no folder" if folder.exists() else "does not exist"
            raise InputError(
                f"The prompts folder {str(folder)!r} {what}.{looked_in(folder)} Give a folder, or null for our own."
            )
        replacing = sorted(folder.glob("*.txt"))
        if not replacing:
            raise InputError(
                f"The prompts folder {str(folder)!r} holds no template. Templates: "
                f"{', '.join(f'{name}.txt' for name in sorted(self._paths))}."
            )
        for path in replacing:
            if path.stem not in self._paths:
                known = sorted(self._paths)
                raise InputError(
                    f"The prompts folder {str(folder)!r} holds {path.name!r}, which no stage uses."
                    f"{nearest(path.stem, known)} Templates: {', '.join(known)}."
                )
            self._paths[path.stem] = path
            # A fault must show now, not after the first drafts were paid for.
            given = _variables(_shipped(path.stem))
            self.render(path.stem, **dict.fromkeys(given, "x"))
            if MARK in given - _variables(self._source(path.stem)):
                self.unfenced[path.stem] = _UNFENCED.format(path=str(path))

    def _read(self, name: str) -> str:
        if name not in self._paths:
            known = sorted(self._paths)
            raise InputError(
                f"There is no prompt template {name!r}.{nearest(name, known)} Templates: {', '.join(known)}."
            )
        try:
            return _shipped(name) if self._paths[name].parent == BUILT_IN else _text_of(self._paths[name])
        except (OSError, ValueError) as error:
            raise InputError(
                f"The prompt template {str(self._paths[name])!r} cannot be read ({error}). Give a text file in UTF-8."
            ) from error

    def render(self, name: str, **values: str) -> tuple[Message, ...]:
        """Renders the template `name` to a conversation of one user message.

        Raises:
            InputError: the template does not parse or uses a variable that `name` is not given.
        """
        try:
            content = _compiled(self._source(name)).render(**values)
        except (TemplateError, RecursionError) as error:
            raise InputError(
                f"The prompt template {str(self._paths[name])!r} cannot be rendered: {error}. "
                f"Its variables are: {', '.join(sorted(values))}."
            ) from error
        return (Message(role="user", content=content),)

    def version(self, name: str) -> str:
        """A short content hash of the template `name`, part of every ledger key."""
        return _hash(self._source(name))

    def versions(self, names: Iterable[str] | None = None) -> dict[str, str]:
        """The content hash of each of these templates; None takes all.

        Raises:
            InputError: there is no template of one of the names.
        """
        return {name: self.version(name) for name in sorted(self._paths if names is None else names)}


# What is cached below is kept for the process, since a bench makes hundreds of such sets.
@functools.cache
def _shipped_paths() -> dict[str, Path]:
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.txt"))}


@functools.cache
def _shipped(name: str) -> str:
    return _text_of(_shipped_paths()[name])


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip("\n")


@functools.cache
def _hash(template: str) -> str:
    return hashlib.sha256(template.encode()).hexdigest()[:12]


@functools.cache
def _variables(template: str) -> frozenset[str]:
    """What a template is to be given."""
    return frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(template)))


@functools.cache
def _compiled(template: str) -> Template:
    for node in _ENVIRONMENT.parse(template).find_all(nodes.Node):
        if not isinstance(node, _ALLOWED) or (isinstance(node, nodes.Filter) and node.name not in _FILTERS):
            what = f"filter {node.name}" if isinstance(node, nodes.Filter) else type(node).__name__.lower()
            raise TemplateSyntaxError(f"{what!r} is not allowed. {_IN_WORDS}", node.lineno)
    compiled = _ENVIRONMENT.from_string(template)
    compiled.globals = dict(compiled.globals)  # which each render copies; a chain of dicts takes longer than the text
    return compiled
