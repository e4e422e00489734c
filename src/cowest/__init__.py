"""cowest: a small specialised language model and a large general one work together, and it shows when that pays.

The public face. Names are loaded when first used; importing the package imports nothing heavy.

Examples:
    >>> import cowest
    >>> task = cowest.task("cowest.lab.task:Formulary")
    >>> weak = cowest.ScriptedModel(lambda request: "Answer: sedative")
    >>> strong = cowest.ScriptedModel(lambda request: "The draft is right. Answer: sedative")
    >>> results = cowest.evaluate(task.test[:20], {"weak": weak, "pair": cowest.Collaboration(weak, strong)})
    >>> print(results)
    Lab: ...
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cowest.collaboration import Collaboration as Collaboration
    from cowest.errors import CowestError as CowestError
    from cowest.models import ModelConfig as ModelConfig
    from cowest.models import model as model
    from cowest.models import open_model as open_model
    from cowest.models.providers.scripted import ScriptedModel as ScriptedModel
    from cowest.pipeline import Pipeline as Pipeline
    from cowest.pipeline.audit import audit as audit
    from cowest.progress import quietly as quietly
    from cowest.recipe import Recipe as Recipe
    from cowest.recipe import load_recipe as load_recipe
    from cowest.stages.align import align as align
    from cowest.stages.evaluate import evaluate as evaluate
    from cowest.stages.explanations import explain as explain
    from cowest.stages.feedback import feedback as feedback
    from cowest.stages.sft import sft as sft
    from cowest.tasks import Task as Task
    from cowest.tasks import load_task as task
    from cowest.types import Answer as Answer
    from cowest.types import Example as Example
    from cowest.types import PreferencePair as PreferencePair
    from cowest.types import Verdict as Verdict
    from cowest.verbs import endpoint as endpoint
    from cowest.verbs import gate as gate
    from cowest.verbs import run as run
    from cowest.verbs import run_bench as run_bench
    from cowest.verbs import serve as serve

    __version__: str

_HOMES = {
    "Answer": "cowest.types",
    "Collaboration": "cowest.collaboration",
    "CowestError": "cowest.errors",
    "Example": "cowest.types",
    "ModelConfig": "cowest.models",
    "Pipeline": "cowest.pipeline",
    "PreferencePair": "cowest.types",
    "Recipe": "cowest.recipe",
    "ScriptedModel": "cowest.models.providers.scripted",
    "Task": "cowest.tasks",
    "Verdict": "cowest.types",
    "align": "cowest.stages.align",
    "endpoint": "cowest.verbs",
    "audit": "cowest.pipeline.audit",
    "evaluate": "cowest.stages.evaluate",
    "explain": "cowest.stages.explanations",
    "feedback": "cowest.stages.feedback",
    "gate": "cowest.verbs",
    "load_recipe": "cowest.recipe",
    "model": "cowest.models",
    "open_model": "cowest.models",
    "quietly": "cowest.progress",
    "run": "cowest.verbs",
    "run_bench": "cowest.verbs",
    "serve": "cowest.verbs",
    "sft": "cowest.stages.sft",
    "task": "cowest.tasks",
}
_NAMES_THERE = {"task": "load_task"}

__all__ = [
    "Answer",
    "Collaboration",
    "CowestError",
    "Example",
    "ModelConfig",
    "Pipeline",
    "PreferencePair",
    "Recipe",
    "ScriptedModel",
    "Task",
    "Verdict",
    "align",
    "audit",
    "endpoint",
    "evaluate",
    "explain",
    "feedback",
    "gate",
    "load_recipe",
    "model",
    "open_model",
    "quietly",
    "run",
    "run_bench",
    "serve",
    "sft",
    "task",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("cowest")
    if name not in _HOMES:
        raise AttributeError(f"module 'cowest' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), _NAMES_THERE.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
