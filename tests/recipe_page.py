"""The tables of docs/recipe.md: every key of a recipe with type, default, the paper's value and what it does.

As a script it writes them into the page. Types and defaults come from the config models, descriptions from the
`Attributes` (for a task's options: `Args`) of their docstrings.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cowest import plugins
from cowest.collaboration import STRONG_SAMPLING, WEAK_SAMPLING
from cowest.judge import JUDGE_SAMPLING, JudgeConfig, PanelConfig, ReferenceFreeConfig
from cowest.models.config import ModelConfig
from cowest.models.providers.local import LocalOptions
from cowest.recipe import ProgramJudge, Recipe
from cowest.types import Sampling

PAGE = Path(__file__).parent.parent / "docs" / "recipe.md"
START, END = "<!-- keys: written by `make tree` -->", "<!-- end of keys -->"

TITLES = {Recipe: "The top level", ModelConfig: "A model", Sampling: "sampling"}
TITLES |= {JudgeConfig: "judge: a model", ProgramJudge: "judge: a program"}
TITLES |= {PanelConfig: "judge: a panel", ReferenceFreeConfig: "judge: without references"}
"""Headings of models that stand at several places, or that share one; of the others it is the path."""

PAPER: dict[str, str] = {
    "format": "chain_of_thought",
    "judge": "strong",
    "rounds": "1",
    "lora.r": "16",
    "lora.alpha": "16",
    "sft.from": "MedMCQA: a published medical model",
    "sft.epochs": "1",
    "sft.learning_rate": "1.4e-5",
    "sft.batch_size": "1",
    "sft.gradient_accumulation": "8",
    "sft.gradient_checkpointing": "on",
    "sft.bf16": "mixed precision",
    "feedback.kind": "collaborative",
    "feedback.queries_from": "train",
    "feedback.queries": "IfQA 2,000; MedMCQA and ProsocialDialog 5,000",
    "feedback.samples": "5",
    "feedback.drafts": "all",
    "align.method": "dpo",
    "align.epochs": "1",
    "align.learning_rate": "1.41e-5",
    "align.optimizer": "rmsprop",
    "align.batch_size": "1",
    "align.gradient_accumulation": "16",
    "align.gradient_checkpointing": "on",
    "align.bf16": "mixed precision",
    "sampling.temperature": "weak 1.0, strong 1.0",
    "sampling.top_p": "weak 0.9",
    "sampling.max_tokens": "weak 1028, strong no limit",
}
"""The values that the paper gives (sections 3.3, 4.1 and appendix B.2), by key."""


class Key(NamedTuple):
    """A row of a table, in Markdown."""

    path: str
    name: str
    type: str
    default: str
    text: str


class Section(NamedTuple):
    """A heading with its sentence and its keys."""

    title: str
    text: str
    keys: tuple[Key, ...]


def described(documented: type, part: str = "Attributes") -> dict[str, str]:
    """What the docstrings of a class and its bases say of each name under `part`."""
    found: dict[str, str] = {}
    for base in reversed(documented.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        if (block := re.search(rf"^{part}:\n((?:    .*\n?|\n)+)", text, flags=re.MULTILINE)) is None:
            continue
        for names, words in re.findall(r"^    ([\w, ]+): ((?:.|\n(?!    \S))+)", block[1], flags=re.MULTILINE):
            found |= {name.strip().rstrip("_"): _as_yaml(" ".join(words.split())) for name in names.split(",")}
    return found


def sections() -> list[Section]:
    """All sections of the page, in the order of the recipe."""
    found = [
        Section(title, _sentence(model), tuple(_keys(model, title))) for title, model in _models(Recipe, "").items()
    ]
    options = Section("options: local models", _sentence(LocalOptions), tuple(_keys(LocalOptions, "options")))
    task, model = ([section.title for section in found].index(title) + 1 for title in ("task", "A model"))
    return [*found[:task], *_tasks(), *found[task:model], options, *found[model:]]


def _models(model: type[BaseModel], path: str) -> dict[str, type[BaseModel]]:
    """The config models below `model` by title, each once."""
    found = {_title(model, path): model}
    for name, field in model.model_fields.items():
        below = f"{path}.{field.alias or name}".lstrip(".")
        for inner in _inner(field.annotation):
            for title, other in _models(inner, below).items():
                if other not in found.values():
                    found[title] = other
    return found


def _title(model: type[BaseModel], path: str) -> str:
    return TITLES.get(model, path.replace("weak.", ""))


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inner(argument)


def _keys(model: type[BaseModel], title: str) -> Iterator[Key]:
    schema = model.model_json_schema(by_alias=True)
    words = described(model)
    titles = {inner.__name__: name for name, inner in _models(Recipe, "").items()}
    left_out = ModelConfig.model_fields.keys() - {"sampling"} if model is JudgeConfig else set()
    for name, field in model.model_fields.items():
        if name in left_out:
            continue
        shown = field.alias or name
        path = shown if title == TITLES[Recipe] else f"{title.partition(':')[0]}.{shown}"
        text = field.description or words.get(shown, "")
        text = text or next(map(_sentence, _inner(field.annotation)), "")
        default = _by_role(name) if model is Sampling else _default(field)
        yield Key(path, shown, _type(schema["properties"][shown], titles), default, text)


def _tasks() -> list[Section]:
    """The options of the tasks that have any; those of the user's own files first."""
    names = sorted(plugins.choices("cowest.tasks"), key=lambda name: (name != "jsonl", name))
    tasks = {name: plugins.load(name, "cowest.tasks", "task") for name in names}
    found = [Section(f"task: {name}", _sentence(task), tuple(_task_keys(task))) for name, task in tasks.items()]
    return [section for section in found if section.keys]


def _task_keys(task: type) -> Iterator[Key]:
    """The options of a task: its constructor's arguments, less the splits, which all tasks have."""
    words = described(task, "Args")
    for option, parameter in inspect.signature(task).parameters.items():
        if option not in ("train", "validation", "test"):
            kind = parameter.annotation if isinstance(parameter.annotation, str) else None
            names = str(kind or inspect.formatannotation(parameter.annotation)).replace(" | None", "")
            yield Key(f"task.{option}", option, _python_type(names), _literal(parameter.default), words.get(option, ""))


def _python_type(names: str) -> str:
    spelled = {"str": "text", "int": "integer", "bool": "true or false"}
    listed = re.sub(r"[\w.]*Sequence\[str\]", "list of text", names)
    return " or ".join(spelled.get(part, part) for part in listed.split(" | "))


def _type(schema: dict[str, Any], titles: dict[str, str]) -> str:
    if "$ref" in schema:
        title = titles[schema["$ref"].rpartition("/")[2]]
        return f"section [{title}](#{anchor(title)})"
    if "anyOf" in schema:
        kinds = [_type(part, titles) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if (kind := schema.get("type", "anything")) == "array":
        return f"list of {_type(schema['items'], titles)}"
    if kind == "object":
        inner = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
        return next((f"by name, {_type(kind, titles)}" for kind in inner if isinstance(kind, dict)), "section")
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {_number(schema[bound])}" for bound, sign in signs.items() if bound in schema)
    name = {"string": "text", "boolean": "true or false"}.get(kind, kind)
    return f"{name} {limits}".rstrip()


def _number(value: float) -> str:
    return "2³¹" if value == 2**31 else f"{value:g}"


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is PydanticUndefined:
        return "**required**"
    return "see there" if isinstance(default, BaseModel) else _literal(default)


def _by_role(name: str) -> str:
    values = {"weak": WEAK_SAMPLING, "strong": STRONG_SAMPLING, "judge": JUDGE_SAMPLING}
    shown = {role: _literal(getattr(sampling, name)) for role, sampling in values.items()}
    if len(set(shown.values())) == 1:
        return shown["weak"]
    return ", ".join(f"{role} {value}" for role, value in shown.items())


def _literal(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    return f"`{re.sub(r'e-0', 'e-', text)}`"


def _sentence(documented: type) -> str:
    return _as_yaml(inspect.cleandoc(documented.__doc__ or "").partition("\n\n")[0].replace("\n", " "))


def _as_yaml(text: str) -> str:
    spelled = {"None": "null", "True": "true", "False": "false"}
    return re.sub(r"`?\b(None|True|False)\b`?", lambda match: f"`{spelled[match[1]]}`", text)


def anchor(title: str) -> str:
    """The anchor of a heading, as GitHub and MkDocs make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def table(section: Section) -> str:
    """A section in Markdown; the column of the paper's values only where it gives any."""
    papers = [PAPER.get(key.path, "") for key in section.keys]
    head = ["key", "what it does", "type", "default", *(["paper"] if any(papers) else [])]
    rows = [head, ["---"] * len(head)]
    for key, paper in zip(section.keys, papers, strict=True):
        cells = [key.text, key.type, key.default, *([paper] if any(papers) else [])]
        if rows[-1][1:] == cells:  # names that share a description share a row
            rows[-1][0] += f", `{key.name}`"
        else:
            rows.append([f"`{key.name}`", *cells])
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return f"## {section.title}\n\n{section.text}\n\n" + "\n".join(lines) + "\n"


def page() -> str:
    """docs/recipe.md with the tables as they are now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    return before + START + "\n\n" + "\n".join(map(table, sections())) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
