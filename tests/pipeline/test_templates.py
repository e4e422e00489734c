"""Which templates each stage can use: what is declared is what is asked for, and nothing declared means all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cowest import plugins, synchronous
from cowest.annotators.individual import Individual
from cowest.annotators.rlwf import Rlwf
from cowest.collaboration import Collaboration
from cowest.formats import load_format
from cowest.judge import AnswerMatchJudge, BaseJudge, ModelJudge, PairwiseJudge, PanelJudge
from cowest.judge.model import AskingJudge
from cowest.lab.judge import RubricJudge
from cowest.methods import MethodOptions, Prepared, Setting, make_methods, strong_only
from cowest.methods._options import SuperICLOptions
from cowest.models.providers.scripted import ScriptedModel
from cowest.pipeline.templates import draft_templates, evaluation_templates, feedback_templates, probe_templates
from cowest.prompts import Prompts
from cowest.prompts.declared import templates_of, uses
from cowest.recipe import Recipe, make_recipe
from cowest.stages.feedback import feedback
from cowest.types import ChatRequest, Completion, Example, Message
from tests.methods.quiz import corpus, said
from tests.recipes import recipe_of, run
from tests.worlds import ScoreBy, Sums, gamble, gambler, right_or_wrong, sums

TASK = Sums(train="8", test="8")
DRAFT = "draft_chain_of_thought"


class Heir(Individual):
    """Inherits a declaration."""


def plain_method(setting: Setting) -> list[Any]:
    return strong_only.variants(setting)


@uses("refine", "nowhere")
def astray(setting: Setting) -> list[Any]:
    return strong_only.variants(setting)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the templates that are rendered from now on, by whatever set of templates."""
    names: set[str] = set()
    render = Prompts.render

    def recording(self: Prompts, name: str, **values: str) -> tuple[Message, ...]:
        names.add(name)
        return render(self, name, **values)

    monkeypatch.setattr(Prompts, "render", recording)
    return names


def sure(name: str, odds: float) -> ScriptedModel:
    def reply(request: Any) -> Completion:
        return said(gamble(name, odds, request), 0.7)

    return ScriptedModel(reply, name=f"scripted/{name}")


def comparing(request: ChatRequest) -> str:
    """Answers sums, and finds the first of two replies the better one."""
    return "1" if "Two replies" in request.messages[-1].content else gamble("strong", 0.5, request)


def recipe(folder: Path, **changes: Any) -> Recipe:
    return make_recipe(recipe_of(folder, **changes))


@pytest.mark.parametrize("name", plugins.choices("cowest.methods"))
def test_a_method_declares_what_it_asks_for(name: str, asked: set[str], tmp_path: Path) -> None:
    strong = sure("strong", 0.5)
    setting = Setting(
        weak={stage: sure(stage, 0.5) for stage in ("base", "sft", "round_1", "round_2")},
        strong=strong,
        collaborate=lambda model: Collaboration(model, strong),
        task=TASK,
        options=MethodOptions(super_icl=SuperICLOptions(explain_overrides=True)),
        retriever=corpus(tmp_path, "What is 2 plus 2?"),
        unseen=lambda: sums(4),
    )
    for method in make_methods([name], setting):
        if isinstance(method, Prepared):
            synchronous.run(method.prepare(2))
        for example in TASK.test:
            synchronous.run(method.predict(example))
    declared = templates_of(plugins.load(name, "cowest.methods", "method"))
    assert asked
    assert declared == asked - {DRAFT}


@pytest.mark.parametrize("name", plugins.choices("cowest.annotators"))
def test_a_kind_of_feedback_declares_what_it_asks_for(name: str, asked: set[str], tmp_path: Path) -> None:
    def reward(prompt: Sequence[Message], texts: Sequence[str]) -> list[float]:
        return [float(len(text)) for text in texts]

    kind = plugins.load(name, "cowest.annotators", "kind of feedback")
    feedback(
        sums(6),
        weak=gambler("weak", 0.5),
        strong=ScriptedModel(comparing),
        judge=ScoreBy(right_or_wrong),
        out=tmp_path,
        kind=name,
        reward=reward if kind is Rlwf else None,
        task=TASK,
    )
    assert DRAFT in asked
    later = {"refine"} if name == "solo" else set()  # its drafts are refined in align, which goes by this folder
    assert templates_of(kind) == (asked - {DRAFT}) | later


def test_a_judge_declares_what_it_asks_for(asked: set[str]) -> None:
    found = {each for each in BaseJudge.__subclasses__() if each.__module__.startswith("cowest.judge.")}
    found = {each for each in (found | {*AskingJudge.__subclasses__()}) - {AskingJudge} if each.__name__[0] != "_"}
    assert found == {ModelJudge, PairwiseJudge, PanelJudge, AnswerMatchJudge}
    pairwise = PairwiseJudge(ScriptedModel(["both", "1", "both", "2"]))
    synchronous.run(PanelJudge({"judge": pairwise}).against(sums(1)[0], "x", "y"))
    assert templates_of(PairwiseJudge) == asked
    assert templates_of(PanelJudge) == set()
    asked.clear()
    synchronous.run(ModelJudge(ScriptedModel(["high", "9"])).score(sums(1)[0], "x"))
    assert templates_of(ModelJudge) == asked
    asked.clear()
    synchronous.run(AnswerMatchJudge(TASK).score(sums(1)[0], "Answer: 1"))
    assert templates_of(AnswerMatchJudge) == asked == set()
    drug = Example(id="1", query="q", references=("4",), fields={"kind": "rate", "rate": 4, "class": "a", "drug": "b"})
    synchronous.run(RubricJudge(TASK).score(drug, "Answer: 4"))
    assert templates_of(RubricJudge) == asked == set()


@pytest.mark.parametrize("name", plugins.choices("cowest.formats"))
def test_a_format_names_the_one_template_that_it_asks_for(name: str, asked: set[str], tmp_path: Path) -> None:
    draft_format = load_format(name)
    draft = synchronous.run(
        Collaboration(gambler("weak", 0.5), gambler("strong", 0.5), format=name).draft("What is 1 plus 2?")
    )
    draft_format.parse(draft.text)
    draft_format.target(sums(1)[0])
    assert asked == {draft_format.template} == draft_templates(recipe(tmp_path, format=name)).names


@pytest.mark.parametrize("kind", ["collaborative", "individual", "rlaif"])
def test_a_stage_asks_for_nothing_else(kind: str, asked: set[str], tmp_path: Path) -> None:
    judge = {"model": "scripted/tests.worlds:judge_reply"}
    changes = {"feedback__kind": kind, "feedback__null_control": 4, "judge": judge}
    changes["strong__model"] = f"scripted/{__name__}:comparing"
    used = feedback_templates(recipe(tmp_path, **changes))
    run(tmp_path, **changes)
    assert used.declared
    assert DRAFT in asked <= used.names
    assert used.names - asked <= {"judge", "judge_again", "solo_chain_of_thought"}
    asked.clear()
    run(tmp_path, "evaluate", **changes)
    assert asked <= evaluation_templates(recipe(tmp_path, **changes)).names


def test_stages_use_what_their_parts_use(tmp_path: Path) -> None:
    assert draft_templates(recipe(tmp_path)).names == {DRAFT}
    assert feedback_templates(recipe(tmp_path)).names == {DRAFT, "solo_chain_of_thought", "refine"}
    assert feedback_templates(recipe(tmp_path, judge="strong")).names >= {"judge", "judge_again"}
    assert feedback_templates(recipe(tmp_path, feedback__kind="rlwf")).names == {DRAFT}
    rlaif = recipe(tmp_path, feedback__kind="rlaif", evaluate__methods=["flare"])
    assert feedback_templates(rlaif).names == {DRAFT, "rlaif_compare"}
    assert probe_templates(rlaif).names == {DRAFT, "rlaif_compare", "solo_chain_of_thought", "refine"}
    assert evaluation_templates(rlaif).names == {DRAFT, "rlaif_compare", "flare"}


@pytest.mark.parametrize(
    "change",
    [
        {"judge": {"name": "tests.pipeline.plain:PlainJudge"}},
        {"feedback__kind": f"{__name__}:Heir"},
        {"evaluate__methods": ["strong_only", f"{__name__}:plain_method"]},
    ],
)
def test_of_what_declares_nothing_all_templates_count(change: dict[str, Any], tmp_path: Path) -> None:
    assert evaluation_templates(recipe(tmp_path)).declared
    assert not evaluation_templates(recipe(tmp_path, **change)).declared


def test_a_template_that_there_is_not_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    with pytest.raises(plugins.InputError, match="no prompt template 'nowhere'"):
        run(tmp_path / "run", evaluate__methods=[f"{__name__}:astray"])
    assert not (tmp_path / "run").exists()
