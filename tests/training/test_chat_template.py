"""A base model without a chat template, with one that the recipe gives."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from cowest import chat_templates
from cowest.errors import InputError
from cowest.export import write_folder
from cowest.models.config import ModelConfig
from cowest.models.providers.local import LocalModel
from cowest.stages.align import AlignConfig, align
from cowest.stages.sft import SFTConfig, sft
from cowest.training import LoRAConfig, TrainedModel, loading
from cowest.training import weights as model_files
from cowest.training.reward import ImplicitReward
from cowest.types import ChatRequest, Message, Sampling
from tests.export.sample import finish
from tests.training import tiny

CHAT = [{"role": "user", "content": "twice 37?"}]
PROMPT = "<|im_start|>user\ntwice 37?<|im_end|>\n<|im_start|>assistant\n"
FAST = {"batch_size": 4, "gradient_accumulation": 1, "learning_rate": 5e-3}
LORA = LoRAConfig(r=4, alpha=4)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model without a chat template."""
    return tiny.build(tmp_path_factory.mktemp("bare") / "base", template=None)


@pytest.fixture(scope="module")
def run(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    config = SFTConfig(**FAST, epochs=3)
    taught = sft(str(bare), tiny.examples(8), out=run / "sft", config=config, lora=LORA, chat_template="chatml")
    align(taught, tiny.pairs(8), out=run / "round-1" / "align", config=AlignConfig(**FAST), lora=LORA)
    finish(run, bare)
    return run


def model(folder: Path, chat_template: str | None = None) -> LocalModel:
    config = ModelConfig(model=f"local/{folder}", chat_template=chat_template, options={"dtype": "float64"})
    return LocalModel.from_config(config, 0)


def reply(folder: Path, chat_template: str | None = None) -> tuple[str, int]:
    """A greedy draft, and the tokens of its prompt."""
    opened = model(folder, chat_template)
    message = Message(role="user", content="twice 37?")
    request = ChatRequest(messages=(message,), sampling=Sampling(temperature=0.0, max_tokens=16))

    async def ask() -> tuple[str, int]:
        completion = await opened.complete(request)
        await opened.close()
        return completion.text, completion.usage.prompt_tokens

    return asyncio.run(ask())


def test_without_one_the_error_names_the_key(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no chat template.*weak\.chat_template"):
        model(bare)
    with pytest.raises(InputError, match=r"no chat template.*weak\.chat_template"):
        sft(str(bare), tiny.examples(2), out=tmp_path / "sft")


def test_chatml_ends_an_answer_with_the_models_own_end_token(bare: Path) -> None:
    tokenizer = loading.load_tokenizer(model_files.find(str(bare), "chatml"))
    assert tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True) == PROMPT
    whole = [*CHAT, {"role": "assistant", "content": "Answer: 74"}]
    assert tokenizer.apply_chat_template(whole, tokenize=False) == PROMPT + "Answer: 74<|end|>\n"


def test_chatml_begins_as_the_model_wants_its_texts_to_begin(bare: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bare, tmp_path / "base"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.bos_token = "<|system|>"
    tokenizer.save_pretrained(folder)
    loaded = loading.load_tokenizer(model_files.find(str(folder), "chatml"))
    ids = loaded.apply_chat_template(CHAT, add_generation_prompt=True, return_dict=False)
    assert ids.count(loaded.bos_token_id) == 1
    assert ids[0] == loaded.bos_token_id


def test_chatml_begins_once_where_the_models_texts_begin_as_its_messages_do(bare: Path) -> None:
    tokenizer = loading.load_tokenizer(model_files.find(str(bare), "chatml"))
    tokenizer.bos_token = "<|im_start|>"
    text = tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False)
    assert text == "<|im_start|>user\na<|im_end|>\n"


def test_training_and_drafting_use_it_in_the_same_way(bare: Path, run: Path) -> None:
    text, prompt_tokens = reply(run / "round-1" / "align")
    assert prompt_tokens == len(AutoTokenizer.from_pretrained(bare)(PROMPT)["input_ids"])
    assert reply(run / "round-1" / "align", "chatml") == (text, prompt_tokens)
    assert reply(bare, "chatml")[1] == prompt_tokens
    for stage in ("sft", "round-1/align"):
        assert (run / stage / "chat_template.jinja").read_text() == chat_templates.read("chatml")
    tuned, reference = (model_files.find(str(run / stage)) for stage in ("round-1/align", "sft"))
    reward = ImplicitReward(tuned, reference, 0.1, AlignConfig())
    assert reward._tokenizer.chat_template == chat_templates.read("chatml")


def test_it_is_exported(bare: Path, run: Path, tmp_path: Path) -> None:
    write_folder(run, tmp_path / "adapter")
    write_folder(run, tmp_path / "merged", merged=True)
    config = tmp_path / "adapter" / "model" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": str(bare)}))
    expected = reply(run / "round-1" / "align")
    assert reply(tmp_path / "adapter" / "model") == reply(tmp_path / "merged" / "model") == expected
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged" / "model")
    assert tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True) == PROMPT
    assert "chat_template.jinja" in (tmp_path / "adapter" / "model" / "README.md").read_text()


def test_a_full_model_that_stands_in_for_sft_has_it_too(bare: Path, tmp_path: Path) -> None:
    given = sft("unused", (), out=tmp_path / "sft", config=SFTConfig(from_=str(bare)), chat_template="chatml")
    out = tmp_path / "align"
    with pytest.raises(InputError, match=r"weak\.chat_template"):
        align(given, tiny.pairs(4), out=out, config=AlignConfig(**FAST))
    align(given, tiny.pairs(4), out=out, config=AlignConfig(**FAST), chat_template="chatml")
    assert TrainedModel.read(out).metrics.num_rows == 4


def test_it_is_part_of_the_models_identity(bare: Path, base: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.jinja"
    file.write_text(tiny.TEMPLATE)
    identities = {model(bare, "chatml").identity, model(bare, str(file)).identity, model(base).identity}
    file.write_text(tiny.TEMPLATE_WITHOUT_END)
    assert len(identities | {model(bare, str(file)).identity}) == 4
    assert len({model_files.find(str(bare), each).identity() for each in (None, "chatml", str(file))}) == 3


def test_a_file_of_ones_own(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "own.jinja").write_text(tiny.TEMPLATE)
    tokenizer = loading.load_tokenizer(model_files.find(str(bare), str(tmp_path / "own.jinja")))
    prompt = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert prompt == "<|user|>twice 37?<|assistant|>"


@pytest.mark.parametrize("content", [None, "  "])
def test_a_file_that_is_missing_or_empty(bare: Path, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "own.jinja"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=r"chat template '.*own\.jinja'.*chatml"):
        model(bare, str(file))


def test_it_is_for_local_models() -> None:
    with pytest.raises(ValueError, match="chat_template is for local models"):
        ModelConfig(model="openai/gpt-4.1", chat_template="chatml")
