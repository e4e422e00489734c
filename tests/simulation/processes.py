"""What a simulated process does: feedback or evaluate, in a run's folder, with the real provider and ledger."""

import asyncio
from pathlib import Path
from random import Random

from cowest import progress
from cowest.collaboration import Collaboration
from cowest.ledger import Ledger
from cowest.models import ModelConfig, open_model
from cowest.models.config import Price
from cowest.models.providers.scripted import ScriptedModel
from cowest.pipeline.models import open_ledger
from cowest.recipe import make_recipe
from cowest.records import EvaluationResults, FeedbackSummary
from cowest.runs import RunFolder
from cowest.stages.evaluate import evaluate
from cowest.stages.feedback import feedback
from cowest.types import ChatRequest, Sampling
from tests.simulation import world as said
from tests.simulation.plan import Plan
from tests.simulation.server import USD_PER_TOKEN
from tests.worlds import Sums

TIMEOUT_S = 20.0
MAX_TOKENS = 32
ALONE, PAIR = "alone", "pair"


def work(plan: Plan, folder: Path, budget_usd: float | None, random: Random) -> None:
    """One process from its start to its end."""
    run = RunFolder(folder / "run")
    recipe = make_recipe(
        {
            "run": str(run.path),
            "task": {"name": "tests.worlds:Sums"},
            "weak": {"model": "scripted/tests.worlds:weak_reply"},
            "strong": {"model": "scripted/tests.worlds:strong_reply"},
        }
    )
    with progress.quietly(), run.lock(), open_ledger(recipe, run, lambda said: None) as ledger:
        # A command leaves alone what is done already, by the file that is written last.
        if (done := run.feedback(1) / "summary.json").exists():
            FeedbackSummary.read(done)
        elif (done := run.evaluate / "results.json").exists():
            EvaluationResults.read(done)
        elif plan.work == "evaluate":
            _evaluate(plan, run, ledger, budget_usd, random)
        else:
            _feedback(plan, run, ledger, budget_usd, random)


def _feedback(plan: Plan, run: RunFolder, ledger: Ledger, budget_usd: float | None, random: Random) -> None:
    feedback(
        said.examples(plan.world),
        weak=weak_model(plan, random),
        strong=strong_config(plan, budget_usd),
        out=run.feedback(1),
        ledger=ledger,
        strong_sampling=Sampling(max_tokens=MAX_TOKENS),
        samples=plan.world.samples,
        null_control=plan.world.null_control,
        num_in_flight=None if plan.by_demand else plan.num_in_flight,
        seed=plan.world.number,
        task=Sums(),
    )


def _evaluate(plan: Plan, run: RunFolder, ledger: Ledger, budget_usd: float | None, random: Random) -> None:
    weak = open_model(weak_model(plan, random), role="weak", ledger=ledger)
    strong = open_model(strong_config(plan, budget_usd), role="strong", ledger=ledger, seed=plan.world.number)
    sampling = Sampling(max_tokens=MAX_TOKENS)
    methods = {
        ALONE: Collaboration(weak, strong, strong_sampling=sampling),
        PAIR: Collaboration(weak, strong, strong_sampling=sampling),
    }
    evaluate(
        said.examples(plan.world),
        methods,
        task=Sums(),
        out=run.evaluate,
        seed=plan.world.number,
        num_in_flight=None if plan.by_demand else plan.num_in_flight,
    )


def weak_model(plan: Plan, random: Random) -> ScriptedModel:
    """The weak model: it is not what is tested."""

    async def reply(request: ChatRequest) -> str:
        await asyncio.sleep(plan.latency_s * random.random())
        return said.weak_reply(plan.world, request)

    return ScriptedModel(reply, name="scripted/weak", identity="weak")


def strong_config(plan: Plan, budget_usd: float | None) -> ModelConfig:
    """The strong model's section of a recipe."""
    price = 1e6 * USD_PER_TOKEN
    urls = [f"http://127.0.0.{number + 1}:9/v1" for number in range(plan.num_endpoints)]
    return ModelConfig(
        model="openai/strong",
        base_url=tuple(urls) if plan.num_endpoints else "http://127.0.0.1:9/v1",
        timeout_s=TIMEOUT_S,
        max_concurrency=None if plan.finds_concurrency else plan.max_concurrency,
        budget_usd=budget_usd,
        price=Price(input=price, output=price),
        sampling=Sampling(max_tokens=MAX_TOKENS),
    )
