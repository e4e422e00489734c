import asyncio
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from cowest.errors import CompletionError, CowestError, InputError
from cowest.models.config import ModelConfig
from cowest.models.providers import _local_decoding, _local_weights
from cowest.models.providers._local_engine import Engine
from cowest.models.providers.local import LocalModel
from cowest.types import ChatRequest, Completion
from tests.training import tiny

Ask = Callable[..., ChatRequest]
PROMPTS = ["the dose", "the dose of velorin is two mg per kg a b c d e", "explanation", "w50 w51 w52 w53", "answer now"]
ALIKE = [f"the dose of velorin is two mg per kg a b c d e f g {end}" for end in ("w50 w51 w52", "h", "w60 w61", "w60")]


def load(folder: Path, seed: int = 0, **options: Any) -> LocalModel:
    return LocalModel.from_config(ModelConfig(model=f"local/{folder}", options={"dtype": "float64", **options}), seed)


def complete(model: LocalModel, *requests: ChatRequest) -> list[Completion]:
    async def all_at_once() -> list[Completion]:
        return list(await asyncio.gather(*(model.complete(request) for request in requests)))

    return asyncio.run(all_at_once())


@pytest.fixture
def model(model_folder: Path) -> Iterator[LocalModel]:
    model = load(model_folder)
    yield model
    asyncio.run(model.close())


@pytest.mark.parametrize(
    "sampling", [{"top_p": 0.9}, {"top_p": 0.3, "temperature": 1.5}, {}, {"temperature": 0.7}, {"temperature": 0.0}]
)
def test_sample_does_not_depend_on_its_batch(model_folder: Path, ask: Ask, sampling: dict[str, float]) -> None:
    model, prompts = load(model_folder, max_batch_size=256), PROMPTS + ALIKE
    others = [
        ask(prompt, sample_index=index, max_tokens=limit, **other)
        for prompt in prompts
        for index in range(8)
        for limit, other in ((3, {"top_p": 0.5}), (25, {"temperature": 0.0}), (25, sampling))
    ]
    wanted = [
        ask(prompt, sample_index=index, max_tokens=25, **sampling) for prompt in PROMPTS + ALIKE for index in (1, 5)
    ]
    alone = [complete(model, request)[0] for request in wanted]
    together = complete(model, *others, *wanted)[len(others) :]
    for one, other in zip(alone, together, strict=True):
        assert one.model_copy(update={"latency_s": 0.0}) == other.model_copy(update={"latency_s": 0.0})
    assert any(len(reply.text) > 20 for reply in alone)


def test_batch_size_changes_nothing(model_folder: Path, ask: Ask) -> None:
    requests = [ask(prompt, sample_index=index, max_tokens=20, top_p=0.9) for prompt in PROMPTS for index in range(4)]
    texts = [[reply.text for reply in complete(load(model_folder, max_batch_size=n), *requests)] for n in (1, 3, 64)]
    assert texts[0] == texts[1] == texts[2]


def test_seed_and_sample_index_decide_the_sample(model_folder: Path, ask: Ask) -> None:
    requests = [ask(sample_index=index, max_tokens=20) for index in range(5)]
    first, again, other = (
        [reply.text for reply in complete(load(model_folder, seed), *requests)] for seed in (0, 0, 1)
    )
    assert first == again
    assert len(set(first)) == 5
    assert not set(first) & set(other)


ARCHITECTURES = {
    "gpt2": {"n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4},
    "mistral": {"sliding_window": 8},
    "qwen3": {"head_dim": 16},
    "gemma3_text": {"head_dim": 16, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
}


@pytest.mark.parametrize("prompts", [PROMPTS, ALIKE, PROMPTS + ALIKE], ids=["different", "alike", "both"])
@pytest.mark.parametrize("kind", ["llama", *ARCHITECTURES])
def test_greedy_equals_generate(
    model_folder: Path, tmp_path: Path, ask: Ask, kind: str, prompts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind != "llama":
        torch.manual_seed(3)
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        sizes |= {"num_key_value_heads": 2, "max_position_embeddings": 128}
        own = ARCHITECTURES[kind] if kind == "gpt2" else sizes | ARCHITECTURES[kind]
        config = AutoConfig.for_model(kind, vocab_size=200, eos_token_id=1, pad_token_id=0, bos_token_id=0, **own)
        config.initializer_range = 0.4
        folder = Path(shutil.copytree(model_folder, tmp_path / kind))
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        model_folder = folder
    passes = count_passes(monkeypatch)
    model = load(model_folder)
    reference = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float64)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    replies = complete(model, *(ask(prompt, temperature=0.0, max_tokens=30) for prompt in prompts))
    for prompt, reply in zip(prompts, replies, strict=True):
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt"
        )["input_ids"]
        expected = reference.generate(ids, do_sample=False, max_new_tokens=30)[0, ids.shape[1] :]
        assert reply.text == tokenizer.decode(expected, skip_special_tokens=True)
        assert reply.usage.prompt_tokens == ids.shape[1]
        assert reply.usage.completion_tokens == len(expected)
        assert reply.finish_reason == ("stop" if expected[-1] == 1 else "length")
    # A window would count the padding between a beginning and an end.
    shared = prompts != PROMPTS and kind in ("llama", "gpt2", "qwen3")
    num_beginnings = 1 if prompts == ALIKE else len(PROMPTS)  # the second of PROMPTS begins as those of ALIKE do
    assert [lines for lines, _ in passes] == ([num_beginnings, len(prompts)] if shared else [len(prompts)])


def count_passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Notes the shape [lines, tokens] of each pass over prompts."""
    passes: list[tuple[int, int]] = []
    original = _local_decoding.Decoder._forward

    def noted(self: _local_decoding.Decoder, batch: Any, ids: torch.Tensor) -> torch.Tensor:
        if ids.shape[1] > 1:
            passes.append((ids.shape[0], ids.shape[1]))
        return original(self, batch, ids)

    monkeypatch.setattr(_local_decoding.Decoder, "_forward", noted)
    return passes


def next_token_probabilities(folder: Path, prompt: str) -> tuple[torch.Tensor, Any]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt"
    )["input_ids"]
    with torch.inference_mode():
        return model(ids).logits[0, -1].softmax(-1), tokenizer


def test_samples_follow_the_models_distribution(model: LocalModel, model_folder: Path, ask: Ask) -> None:
    probabilities, tokenizer = next_token_probabilities(model_folder, "the dose")
    replies = complete(model, *(ask("the dose", sample_index=index, max_tokens=1, top_p=0.6) for index in range(4000)))
    values, tokens = probabilities.sort(descending=True)
    size = int((values.cumsum(0) < 0.6).sum()) + 1
    nucleus = {
        tokenizer.decode([token], skip_special_tokens=True): value / values[:size].sum()
        for value, token in zip(values[:size].tolist(), tokens[:size].tolist(), strict=True)
    }
    counts = Counter(reply.text for reply in replies)
    assert 3 < size < len(values)
    assert set(counts) <= set(nucleus)
    for text, probability in nucleus.items():
        error = math.sqrt(probability * (1 - probability) / len(replies))
        assert counts[text] / len(replies) == pytest.approx(float(probability), abs=4.5 * error + 1e-9)


def test_log_probabilities_are_the_models_own(model: LocalModel, model_folder: Path, ask: Ask) -> None:
    probabilities, tokenizer = next_token_probabilities(model_folder, "the dose")
    (reply,) = complete(model, ask("the dose", max_tokens=1, temperature=0.5, top_p=0.8))
    assert reply.token_logprobs is not None
    token = tokenizer(reply.text, add_special_tokens=False)["input_ids"][0]
    assert reply.token_logprobs == pytest.approx((float(probabilities[token].log()),), abs=1e-5)


def test_tokens_are_the_text_in_pieces_one_for_each_log_probability(model: LocalModel, ask: Ask) -> None:
    for reply in complete(model, *(ask(prompt, max_tokens=20) for prompt in PROMPTS)):
        assert reply.tokens is not None
        assert reply.token_logprobs is not None
        assert len(reply.tokens) == len(reply.token_logprobs)
        assert "".join(reply.tokens) == reply.text


def test_a_character_of_several_tokens_stands_at_the_last_of_them(tmp_path: Path) -> None:
    folder = _local_weights.find(str(tiny.build(tmp_path)))
    engine = Engine("tiny", folder, "float32", "cpu", 0, with_logprobs=True)
    ids = AutoTokenizer.from_pretrained(tmp_path)("aé🙂b", add_special_tokens=False)["input_ids"]
    assert engine._token_texts(ids) == ("a", "", "é", "", "", "", "🙂", "b")


def test_no_tokens_where_no_log_probabilities_are_wanted(model_folder: Path, ask: Ask) -> None:
    (reply,) = complete(load(model_folder, logprobs=False), ask(max_tokens=3))
    assert reply.token_logprobs is reply.tokens is None


def test_equal_requests_are_decoded_once(model: LocalModel, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    decode = _local_decoding.Decoder.decode
    monkeypatch.setattr(
        _local_decoding.Decoder,
        "decode",
        lambda self, rows, *rest: (sizes.append(len(rows)), decode(self, rows, *rest))[1],
    )
    greedy = [ask(sample_index=index, temperature=0.0, max_tokens=4) for index in range(6)]
    sampled = [ask(sample_index=index // 2, max_tokens=4) for index in range(6)]
    replies = complete(model, *greedy, *sampled)
    assert sum(sizes) == 1 + 3
    assert len({reply.text for reply in replies[:6]}) == 1


def test_stop_string_ends_the_text(model: LocalModel, ask: Ask) -> None:
    requests = [ask(sample_index=index, max_tokens=40) for index in range(4)]
    for request, free in zip(requests, complete(model, *requests), strict=True):
        stop = free.text[len(free.text) // 2 :][:3]
        stopped = complete(model, ask(sample_index=request.sample_index, max_tokens=40, stop=("never", stop)))[0]
        assert stop not in stopped.text
        assert stopped.finish_reason in ("stop", "length")
    # Greedy, so that the stop string itself does not change what is sampled.
    (free,) = complete(model, ask(temperature=0.0, max_tokens=40))
    stop = free.text[6:9]
    (stopped,) = complete(model, ask(temperature=0.0, max_tokens=40, stop=(stop,)))
    assert stopped.text == free.text[: free.text.index(stop)]
    assert stopped.finish_reason == "stop"
    assert stopped.usage.completion_tokens < free.usage.completion_tokens


def test_prompt_longer_than_the_context_is_refused_and_harms_no_other(model: LocalModel, ask: Ask) -> None:
    async def both() -> list[Completion | BaseException]:
        long, short = ask("w50 " * 200, max_tokens=2), ask(max_tokens=2)
        return await asyncio.gather(model.complete(long), model.complete(short), return_exceptions=True)

    refused, fine = asyncio.run(both())
    assert isinstance(refused, CompletionError)
    assert "205 tokens" in str(refused)
    assert "128" in str(refused)
    assert isinstance(fine, Completion)


def test_prompts_that_are_refused_fill_no_memory(tmp_path: Path, ask: Ask) -> None:
    engine = Engine("tiny", _local_weights.find(str(tiny.build(tmp_path))), "float32", "cpu", 0, with_logprobs=False)
    for index in range(3):
        with pytest.raises(CompletionError, match="prompts are never cut"):
            engine.row(ask(f"{index} " * 2000))
    assert engine._prompt.cache_info().currsize == 0
    engine.row(ask("the dose"))
    assert engine._prompt.cache_info().currsize == 1


def test_reply_ends_where_the_context_ends(model: LocalModel, ask: Ask) -> None:
    replies = complete(model, *(ask("w50 " * 118, sample_index=index) for index in range(20)), ask(max_tokens=60))
    assert max(reply.usage.prompt_tokens + reply.usage.completion_tokens for reply in replies[:20]) == 128
    assert {reply.finish_reason for reply in replies[:20]} >= {"length"}


def test_several_event_loops_and_loads_one_after_the_other(model: LocalModel, ask: Ask) -> None:
    assert len({complete(model, ask(max_tokens=5))[0].text for _ in range(3)}) == 1


def test_a_closed_model_frees_its_weights_and_loads_them_again(model: LocalModel, ask: Ask) -> None:
    before = complete(model, ask(max_tokens=5))
    asyncio.run(model.close())
    assert model._engine is None
    assert complete(model, ask(max_tokens=5))[0].text == before[0].text


def test_damaged_weights_are_noticed(model_folder: Path, tmp_path: Path, ask: Ask) -> None:
    broken = AutoModelForCausalLM.from_pretrained(model_folder)
    broken.lm_head.weight.data.fill_(math.nan)
    folder = Path(shutil.copytree(model_folder, tmp_path / "broken"))
    broken.save_pretrained(folder)
    with pytest.raises(CowestError, match="NaN"):
        complete(load(folder), ask())


def test_positions_are_as_exact_below_float32_as_in_training(model_folder: Path) -> None:
    folder = _local_weights.find(str(model_folder))
    exact, coarse = (_local_weights.load_model(folder, dtype, "cpu") for dtype in ("float32", "bfloat16"))
    assert torch.equal(coarse.model.rotary_emb.inv_freq, exact.model.rotary_emb.inv_freq)


class TestIdentity:
    def test_is_of_the_content_not_of_the_place(self, model_folder: Path, tmp_path: Path) -> None:
        copy = shutil.copytree(model_folder, tmp_path / "copy")
        assert load(copy).identity == load(model_folder).identity

    def test_tells_weights_dtypes_and_seeds_apart(self, model_folder: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(model_folder, tmp_path / "copy"))
        weights = bytearray((copy / "model.safetensors").read_bytes())
        weights[-1] ^= 1
        (copy / "model.safetensors").write_bytes(weights)
        models = [load(model_folder), load(copy), load(model_folder, 1), load(model_folder, dtype="float32")]
        assert len({model.identity for model in models}) == 4

    def test_a_seed_of_its_own_stands_in_for_the_runs(self, model_folder: Path) -> None:
        config = ModelConfig(model=f"local/{model_folder}", options={"dtype": "float64", "seed": 3})
        assert LocalModel.from_config(config, 1).identity == load(model_folder, 3).identity

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
    def test_below_float32_is_not_that_of_a_version_that_merged_into_rounded_weights(
        self, model_folder: Path, dtype: str
    ) -> None:
        model = load(model_folder, dtype=dtype)
        assert model.identity != f"{_local_weights.find(str(model_folder)).identity()}|{dtype}|seed 0"

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_elsewhere_it_stays_so_that_ledgers_stay_of_use(self, model_folder: Path, dtype: str) -> None:
        model = load(model_folder, dtype=dtype)
        assert model.identity == f"{_local_weights.find(str(model_folder)).identity()}|{dtype}|seed 0"


def tiny_updates(base: Path, folder: Path, entry: float) -> Path:
    """An adapter that changes the weights of `base` by little; |B| is about `entry`."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(2)
    config = LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=entry)
    model.save_pretrained(folder)
    return folder


class TestAdapter:
    @pytest.fixture
    def adapter(self, model_folder: Path, tmp_path: Path) -> Path:
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(2)
        base = AutoModelForCausalLM.from_pretrained(model_folder)
        config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
        get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
        return tmp_path / "adapter"

    def test_is_merged_into_its_base(self, adapter: Path, model_folder: Path, ask: Ask) -> None:
        from peft import PeftModel

        base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float64)
        unmerged = PeftModel.from_pretrained(base, adapter).double()
        tokenizer = AutoTokenizer.from_pretrained(model_folder)
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": "the dose"}], add_generation_prompt=True, return_tensors="pt"
        )["input_ids"]
        expected = unmerged.generate(input_ids=ids, do_sample=False, max_new_tokens=12)[0, ids.shape[1] :]
        request = ask("the dose", temperature=0.0, max_tokens=12)
        adapted, plain = (complete(load(folder), request)[0] for folder in (adapter, model_folder))
        assert adapted.text == tokenizer.decode(expected, skip_special_tokens=True)
        assert adapted.text != plain.text

    def test_identity_is_not_its_bases_nor_of_the_place(
        self, adapter: Path, model_folder: Path, tmp_path: Path
    ) -> None:
        identity = load(adapter).identity
        assert identity != load(model_folder).identity
        moved = shutil.copytree(model_folder, tmp_path / "moved")
        config = json.loads((adapter / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = str(moved)
        (adapter / "adapter_config.json").write_text(json.dumps(config))
        assert load(adapter).identity == identity

    @pytest.fixture(params=[3e-4, 1e-3])
    def aligned(self, request: pytest.FixtureRequest, model_folder: Path, tmp_path: Path) -> Path:
        """An adapter whose B has entries of the size that alignment gives them."""
        return tiny_updates(model_folder, tmp_path / "aligned", request.param)

    def test_in_bfloat16_logits_are_the_training_models(self, aligned: Path, model_folder: Path) -> None:
        from peft import PeftModel

        base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16).eval()
        ids = torch.arange(5, 105)[None]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            plain = base(ids).logits
            trained = PeftModel.from_pretrained(base, aligned).eval()(ids).logits
        with torch.inference_mode():
            own = _local_weights.load_model(_local_weights.find(str(aligned)), "bfloat16", "cpu")(ids).logits
        assert not torch.equal(trained, plain)
        assert torch.equal(own, trained)

    @pytest.mark.parametrize(("dtype", "merges"), [("float64", True), ("float32", True), ("bfloat16", False)])
    def test_is_merged_only_where_that_is_exact(self, adapter: Path, dtype: str, merges: bool) -> None:
        model = _local_weights.load_model(_local_weights.find(str(adapter)), dtype, "cpu")
        assert any("lora_" in name for name, _ in model.named_parameters()) is not merges
        assert {str(weight.dtype) for weight in model.parameters()} == {f"torch.{dtype}"}
        assert type(model).__name__ == "LlamaForCausalLM"

    def test_replies_in_bfloat16_are_the_training_models(self, adapter: Path, model_folder: Path, ask: Ask) -> None:
        from peft import PeftModel

        base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16)
        unmerged = PeftModel.from_pretrained(base, adapter).eval()
        tokenizer = AutoTokenizer.from_pretrained(model_folder)
        (reply,) = complete(load(adapter, dtype="bfloat16"), ask("the dose", temperature=0.0, max_tokens=12))
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": "the dose"}], add_generation_prompt=True, return_tensors="pt"
        )["input_ids"]
        with torch.autocast("cpu", torch.bfloat16):
            expected = unmerged.generate(input_ids=ids, do_sample=False, max_new_tokens=12)[0, ids.shape[1] :]
        assert reply.text == tokenizer.decode(expected, skip_special_tokens=True)

    def test_adapter_that_is_no_update_of_weights(self, model_folder: Path, tmp_path: Path, ask: Ask) -> None:
        from peft import PromptTuningConfig, get_peft_model

        base = AutoModelForCausalLM.from_pretrained(model_folder)
        config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
        get_peft_model(base, config).save_pretrained(tmp_path / "prompts")
        with pytest.raises(InputError, match="LoRA"):
            complete(load(tmp_path / "prompts"), ask())

    def test_base_that_is_gone(self, adapter: Path) -> None:
        config = json.loads((adapter / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = str(adapter / "gone")
        (adapter / "adapter_config.json").write_text(json.dumps(config))
        with pytest.raises(InputError, match=r"cannot be found.*gone"):
            load(adapter)


class TestWrongInput:
    def test_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no model folder.*nowhere"):
            load(tmp_path / "nowhere")

    def test_hub_name_that_is_not_there(self) -> None:
        with pytest.raises(InputError, match=r"'no-such-org/no-such-model'.*hub"):
            load(Path("no-such-org/no-such-model"))

    def test_folder_that_looks_like_a_hub_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "runs").mkdir()
        with pytest.raises(InputError, match="no model folder 'runs/sft'"):
            load(Path("runs/sft"))

    @pytest.mark.parametrize(
        ("missing", "says"),
        [
            (["config.json"], "no config.json"),
            (["model.safetensors"], "no weights"),
            (["tokenizer_config.json", "chat_template.jinja"], "no tokenizer"),
            (["chat_template.jinja"], "no chat template"),
        ],
    )
    def test_file_that_is_missing(self, model_folder: Path, tmp_path: Path, missing: list[str], says: str) -> None:
        folder = Path(shutil.copytree(model_folder, tmp_path / "copy"))
        for name in missing:
            (folder / name).unlink(missing_ok=True)
        with pytest.raises(InputError, match=says):
            load(folder)

    def test_weights_that_cannot_be_read(self, model_folder: Path, tmp_path: Path, ask: Ask) -> None:
        folder = Path(shutil.copytree(model_folder, tmp_path / "copy"))
        (folder / "model.safetensors").write_bytes(b"not weights")
        with pytest.raises(InputError, match="cannot be loaded"):
            complete(load(folder), ask())

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"max_batchsize": 3}, "options.max_batchsize.*Did you mean 'max_batch_size'"),
            ({"dtype": "float8"}, "options.dtype.*'float8'"),
            ({"max_batch_size": 0}, "options.max_batch_size.*0"),
        ],
    )
    def test_option(self, model_folder: Path, options: dict[str, Any], says: str) -> None:
        with pytest.raises(InputError, match=says):
            load(model_folder, **options)

    def test_torch_not_installed(self, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(InputError, match=r"pip install cowest\[train\]"):
            load(model_folder)

    def test_conversation_that_the_template_refuses(self, model_folder: Path, tmp_path: Path, ask: Ask) -> None:
        folder = Path(shutil.copytree(model_folder, tmp_path / "copy"))
        (folder / "chat_template.jinja").write_text("{{ raise_exception('only haiku') }}")
        with pytest.raises(InputError, match=r"roles \['user'\].*only haiku"):
            complete(load(folder), ask())


def test_batch_that_does_not_fit_is_halved(model: LocalModel, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [ask(prompt, sample_index=index, max_tokens=8) for prompt in PROMPTS for index in range(3)]
    expected = [reply.text for reply in complete(model, *requests)]
    decode = _local_decoding.Decoder.decode

    def small_memory(self: Any, rows: Any, is_wanted: Any) -> None:
        decode(self, rows, is_wanted)
        if len(rows) > 2:
            raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(_local_decoding.Decoder, "decode", small_memory)
    assert [reply.text for reply in complete(model, *requests)] == expected
