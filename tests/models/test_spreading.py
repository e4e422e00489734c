"""Local models on a cluster's engines, which are threads here; on Ray in tests/cluster/test_ray.py."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cowest.cluster import Cluster
from cowest.errors import CompletionError, InputError
from cowest.models import load_model, spread
from cowest.models.config import ModelConfig
from cowest.models.metered import Metered
from cowest.types import ChatRequest
from tests.cluster.doubling import FakeEngines
from tests.cluster.fake_ranks import FakeRanks

Ask = Callable[..., ChatRequest]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster("head:6379", FakeEngines("a", "b"), FakeRanks("a"))
    yield cluster
    cluster.close()


def load(folder: Path, **options: Any) -> Metered:
    options = {"dtype": "float64", "max_batch_size": 4} | options
    return load_model(ModelConfig(model=f"local/{folder}", options=options), role="weak")


def complete(model: Metered, requests: list[ChatRequest]) -> list[Any]:
    async def all_at_once() -> list[Any]:
        replies = await asyncio.gather(*(model.complete(each) for each in requests), return_exceptions=True)
        await model.close()
        return [
            str(reply) if isinstance(reply, BaseException) else reply.model_copy(update={"latency_s": 0.0})
            for reply in replies
        ]

    return asyncio.run(all_at_once())


def test_replies_and_identity_are_those_of_one_process(model_folder: Path, ask: Ask, cluster: Cluster) -> None:
    requests = [
        ask(prompt, sample_index=index, max_tokens=20) for prompt in ("the dose", "a b c") for index in range(8)
    ]
    requests.append(ask("too long " * 500))
    here, there = load(model_folder), spread(load(model_folder), cluster)
    assert (there.identity, there.name, there.role) == (here.identity, here.name, here.role)
    expected = complete(here, requests)
    assert complete(there, requests) == expected
    assert "prompts are never cut" in expected[-1]
    with pytest.raises(CompletionError):
        asyncio.run(there.complete(requests[-1]))


def test_relative_folder_means_the_same_on_every_node(
    model_folder: Path, ask: Ask, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(model_folder.parent)
    model = spread(load(Path(model_folder.name)), cluster)
    monkeypatch.chdir(tmp_path)
    assert complete(model, [ask(max_tokens=3)])[0].usage.completion_tokens > 0


def test_node_with_other_files_is_named(model_folder: Path, ask: Ask, cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in model_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    model = spread(load(folder), cluster)
    (folder / "generation_config.json").write_text('{"eos_token_id": 3}')
    (reply,) = complete(model, [ask(max_tokens=3)])
    assert "has other files" in reply
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    (reply,) = complete(model, [ask(max_tokens=3)])
    assert "does not have" in reply


def test_one_gpu_of_several_is_refused(model_folder: Path, cluster: Cluster) -> None:
    with pytest.raises(InputError, match="cuda:1"):
        spread(load(model_folder, device="cuda:1"), cluster)


def test_a_model_at_an_endpoint_stays_as_it_is(cluster: Cluster) -> None:
    model = load_model(ModelConfig(model="openai/gpt-x", base_url="http://127.0.0.1:9/v1"), role="strong")
    assert spread(model, cluster) is model
