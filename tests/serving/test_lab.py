"""The lab's two models, served in process: what a client gets is what the collaboration says."""

import asyncio
from pathlib import Path

import openai
import pytest

from cowest import synchronous
from cowest.collaboration import Collaboration
from cowest.recipe import load_recipe
from cowest.serving import make_app, warm_up
from cowest.tasks import load_task
from cowest.types import Sampling
from tests.serving.served import running

for package in ("torch", "transformers"):
    pytest.importorskip(package)


def test_the_lab_over_http_says_what_it_says_in_python(tmp_path: Path) -> None:
    recipe = load_recipe("cowest.lab:recipe.yaml", [f"run={tmp_path / 'lab'}"])
    queries = [example.query for example in load_task(recipe.task.name, **recipe.task.options).test[:6]]
    pair = Collaboration(
        recipe.weak,
        recipe.strong,
        format=recipe.format,
        weak_sampling=Sampling(temperature=0.0, max_tokens=64),
        strong_sampling=Sampling(temperature=0.0, max_tokens=80),
    )
    warm_up(recipe, pair)
    said = [synchronous.run(pair.exchange(query)) for query in queries]

    async def ask(url: str) -> list[tuple[str | None, str, int]]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:

            async def one(query: str) -> tuple[str | None, str, int]:
                reply = await client.chat.completions.create(
                    model="lab",
                    messages=[{"role": "user", "content": query}],
                    extra_headers={"x-cowest-draft": "1"},
                )
                assert reply.usage is not None
                shown = reply.model_extra or {}
                return reply.choices[0].message.content, shown["cowest"]["draft"], reply.usage.total_tokens

            return await asyncio.gather(*(one(query) for query in queries))

    with running(make_app(recipe, pair)) as url:
        heard = asyncio.run(ask(url))
    for exchange, (answer, draft, num_tokens) in zip(said, heard, strict=True):
        assert (draft, answer) == (exchange.draft.text, exchange.output.text)
        usage = exchange.draft.usage + exchange.output.usage
        assert num_tokens == usage.prompt_tokens + usage.completion_tokens > 0
