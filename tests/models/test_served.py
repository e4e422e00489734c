"""Local models on servers that the run starts: what is sent, what it is kept under, and what happens when one dies."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cowest import synchronous
from cowest.engines import EngineConfig, Fleet
from cowest.errors import CompletionError, EndpointError, InputError
from cowest.ledger import Ledger
from cowest.models import Metered, load_model
from cowest.models.config import ModelConfig
from cowest.types import ChatRequest, Completion, Message, Sampling
from tests.engines.engines import adapter_folder, model_folder, scripted, seen


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "base")


def config_of(folder: Path, engine: EngineConfig, **settings: Any) -> ModelConfig:
    return ModelConfig(model=f"local/{folder}", engine="vllm", vllm=engine, **settings)


def asked(number: int, sample_index: int = 0) -> ChatRequest:
    message = Message(role="user", content=f"What is {number} plus {number + 1}?")
    return ChatRequest(messages=(message,), sampling=Sampling(max_tokens=50), sample_index=sample_index)


def complete(model: Metered, *requests: ChatRequest) -> list[Completion]:
    async def all_of_them() -> list[Completion]:
        try:
            return await asyncio.gather(*map(model.complete, requests))
        finally:
            await model.close()

    return synchronous.run(all_of_them())


@pytest.fixture
def fleet(tmp_path: Path) -> Any:
    fleet = Fleet(tmp_path / "engines")
    yield fleet
    fleet.stop()


def test_a_reply_is_a_function_of_adapter_request_and_seed(
    tmp_path: Path, base: Path, events: Path, fleet: Fleet
) -> None:
    adapter = adapter_folder(tmp_path / "adapter", base)
    requests = [asked(number, index) for number in range(4) for index in range(3)]
    model = load_model(config_of(adapter, scripted(events)), role="weak", seed=5, fleet=fleet)
    first, again = complete(model, *requests), complete(model, *reversed(requests))
    assert [each.text for each in first] == [each.text for each in reversed(again)]
    assert len({each.text for each in first}) == len(requests)
    assert first[0].cost_usd == 0.0
    assert first[0].token_logprobs
    started, calls = seen(events, "started"), seen(events, "called")
    assert len(started) == 2  # `close` ended the servers of the first time
    argv = started[0]["argv"]
    assert argv[argv.index("--max-lora-rank") + 1] == "32"
    assert argv[argv.index("--lora-modules") + 1] == f"{calls[0]['model']}={adapter}"
    assert calls[0]["model"].startswith("adapter-")
    assert {(call["top_k"], call["top_p"], call["min_p"], call["repetition_penalty"]) for call in calls} == {
        (-1, 1.0, 0.0, 1.0)
    }
    assert len({call["seed"] for call in calls}) == len(requests)
    other = load_model(config_of(adapter, scripted(events)), role="weak", seed=6, fleet=fleet)
    assert complete(other, requests[0])[0].text != first[0].text


def test_the_identity_names_weights_adapter_engine_dtype_and_seed(tmp_path: Path, base: Path, fleet: Fleet) -> None:
    def identity(folder: Path, engine: EngineConfig, seed: int = 0, **settings: Any) -> str:
        return load_model(config_of(folder, engine, **settings), role="weak", seed=seed, fleet=fleet).identity

    one, two = adapter_folder(tmp_path / "one", base), adapter_folder(tmp_path / "two", base, b"other weights")
    engine = scripted()
    newer = scripted(version_command=("echo", "vLLM", "9.9.9"))
    quantized = scripted(None, "--quantization", "fp8")
    identities = [
        *(identity(folder, engine) for folder in (base, one, two)),
        *(identity(one, engine, seed=1), identity(one, newer), identity(one, quantized)),
        identity(one, engine, options={"dtype": "float16"}),
    ]
    assert len(set(identities)) == len(identities)
    assert "vllm 0.99.1" in identities[0]
    assert "vllm 9.9.9" in identities[4]
    faster = scripted(None, "--gpu-memory-utilization", "0.5", gpus=("0", "1"))
    assert identity(one, faster) == identity(one, engine)


def test_a_server_that_dies_in_the_middle_costs_no_reply(
    tmp_path: Path, base: Path, events: Path, fleet: Fleet
) -> None:
    requests = [asked(number) for number in range(12)]
    whole = complete(load_model(config_of(base, scripted()), role="weak", fleet=fleet), *requests)
    dying = scripted(events, "--scripted-dies", "1")
    texts = [each.text for each in complete(load_model(config_of(base, dying), role="weak", fleet=fleet), *requests)]
    assert texts == [each.text for each in whole]
    assert len(seen(events, "started")) == 2


def test_a_server_that_dies_again_fails_the_stage_with_its_last_lines(base: Path, events: Path, fleet: Fleet) -> None:
    model = load_model(config_of(base, scripted(events, "--scripted-dies", "9")), role="weak", fleet=fleet)
    with pytest.raises(EndpointError, match="ended again") as failure:
        complete(model, *map(asked, range(12)))
    assert "illegal memory access" in str(failure.value)
    assert len(seen(events, "started")) == 2


def test_a_failure_that_passes_is_tried_again(base: Path, events: Path, fleet: Fleet) -> None:
    model = load_model(config_of(base, scripted(events, "--scripted-fails", "1")), role="weak", fleet=fleet)
    assert complete(model, asked(1))[0].finish_reason == "stop"
    assert len(seen(events, "called")) == 2
    assert len(seen(events, "started")) == 1


def test_an_empty_reply_is_what_the_model_sampled(base: Path, fleet: Fleet) -> None:
    model = load_model(config_of(base, scripted(None, "--scripted-empty")), role="weak", fleet=fleet)
    (empty,) = complete(model, asked(1))
    assert (empty.text, empty.finish_reason, empty.usage.completion_tokens) == ("", "stop", 1)


def test_a_chat_template_of_the_recipe_is_given_as_a_file(base: Path, events: Path, fleet: Fleet) -> None:
    model = load_model(config_of(base, scripted(events), chat_template="chatml"), role="weak", fleet=fleet)
    complete(model, asked(1))
    argv = seen(events, "started")[0]["argv"]
    assert "<|im_start|>" in Path(argv[argv.index("--chat-template") + 1]).read_text()


def test_known_replies_start_no_server(tmp_path: Path, base: Path, events: Path, fleet: Fleet) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for _ in range(2):
        model = load_model(config_of(base, scripted(events)), role="weak", ledger=ledger, fleet=fleet)
        complete(model, asked(1), asked(2))
    ledger.close()
    assert len(seen(events, "started")) == 1
    assert len(seen(events, "called")) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"max_batch_size": 8}}, ["max_batch_size", "dtype"]),
        ({"options": {"dtype": "float64"}}, ["dtype", "float64", "bfloat16"]),
        ({"vllm": EngineConfig(command=("/no/vllm", "serve"))}, ["/no/vllm", "not found", "uv venv"]),
        ({"vllm": EngineConfig(command=("sh", "-c", "echo"))}, ["version_command"]),
        ({"vllm": EngineConfig(command=("sh", "-c", "exit 4", "serve"))}, ["status 4"]),
        ({"vllm": EngineConfig(command=("echo", "nothing", "serve"))}, ["said no version"]),
        ({"redact": "a:b"}, ["redact"]),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(
    base: Path, fleet: Fleet, changes: dict[str, Any], words: list[str]
) -> None:
    config = config_of(base, scripted()).model_copy(update=changes)
    with pytest.raises(InputError) as failure:
        load_model(config, role="weak", fleet=fleet)
    assert [word for word in words if word not in str(failure.value)] == []


def test_a_version_command_that_hangs_is_given_up(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cowest.engines import engine_version

    with pytest.raises(InputError, match=r"within 0\.1 s"):
        engine_version(EngineConfig(command=("sleep", "serve"), version_command=("sleep", "60")), patience_s=0.1)


def test_sglang_is_another_command(tmp_path: Path, base: Path, events: Path, fleet: Fleet) -> None:
    """The scripted program takes the arguments of vLLM; they are named by hand, as those of SGLang would be."""
    program = scripted(events).command
    template = (
        *(*program, "{model}", "--served-model-name", "{name}", "--host", "{host}", "--port", "{port}"),
        *("--dtype", "{dtype}", "--seed", "{seed}"),
    )
    engine = scripted(
        events,
        command=template,
        version_command=("echo", "0.99.1"),
        adapter_args=("--enable-lora", "--lora-modules", "{adapters}"),
        adapter_model="{name}:{adapter}",
    )
    adapter = adapter_folder(tmp_path / "adapter", base)
    model = load_model(config_of(adapter, engine), role="weak", fleet=fleet)
    with pytest.raises((EndpointError, CompletionError), match="does not exist"):
        complete(model, asked(1))  # the scripted one knows no such name
    argv = seen(events, "started")[0]["argv"]
    assert "--tokenizer" not in argv
    assert "--max-lora-rank" not in argv
    assert seen(events, "called")[0]["model"].startswith("cowest-")
    assert ":adapter-" in seen(events, "called")[0]["model"]
    unknown = config_of(base, scripted(None, command=(*template, "{nothing}"), version_command=("echo", "0.99.1")))
    with pytest.raises(InputError, match=r"\{nothing\}.*\{port\}"):
        complete(load_model(unknown, role="strong", fleet=fleet), asked(1))
