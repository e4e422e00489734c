"""GGUF files as models: unpacked once, with their own weights, and trained and run like a folder."""

from pathlib import Path

import gguf
import pytest
import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM
from transformers.convert_slow_tokenizer import bytes_to_unicode

from cowest import gguf_files, model_folders
from cowest.errors import InputError
from cowest.training import weights

_TEMPLATE = "{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}<assistant>"
_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COWEST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=261, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=128, rope_theta=10000.0, rms_norm_eps=1e-6,
        tie_word_embeddings=False,
    )  # fmt: skip
    return Qwen2ForCausalLM(config).eval()


@pytest.fixture
def file(tmp_path: Path, model: Qwen2ForCausalLM) -> Path:
    """The model as llama.cpp writes it, its 16-bit halves exact in bfloat16, with a tokenizer of single bytes."""
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "qwen2")
    config = model.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    tokens = ["<pad>", "<eos>", "<user>", "<assistant>", *bytes_to_unicode().values(), "ab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 4 + [1] * 257)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_chat_template(_TEMPLATE)
    for name, tensor in model.state_dict().items():
        tensor.copy_(tensor.bfloat16())
        writer.add_tensor(_in_gguf(name), tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _in_gguf(name: str) -> str:
    if not name.startswith("model.layers."):
        return {
            "model.embed_tokens.weight": "token_embd.weight",
            "model.norm.weight": "output_norm.weight",
            "lm_head.weight": "output.weight",
        }[name]
    _, _, block, *parts, kind = name.split(".")
    return f"blk.{block}.{_NAMES['.'.join(parts)]}.{kind}"


def test_an_unpacked_file_is_a_model_folder_with_the_same_weights(file: Path, model: Qwen2ForCausalLM) -> None:
    folder = model_folders.find_folder(str(file))
    assert folder is not None
    model_folders.require_whole(folder)
    assert model_folders.has_chat_template(folder)
    unpacked = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(unpacked[name], tensor, rtol=0, atol=0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    conversation = [{"role": "user", "content": "a b"}]
    ids = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False)
    assert tokenizer.decode(ids) == "<user>a b<assistant>"


def test_a_file_is_unpacked_once_and_again_when_it_has_changed(
    file: Path, capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    first = gguf_files.folder_of(file)
    assert "Unpacking tiny.gguf" in capsys.readouterr().err
    assert gguf_files.folder_of(file) == first
    assert capsys.readouterr().err == ""
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    assert gguf_files.folder_of(file) != first
    assert all(path.is_dir() and "." not in path.name for path in (cache / "gguf").iterdir()), "no partial folder stays"


def test_an_adapter_names_the_file_and_not_the_cache(file: Path) -> None:
    found = weights.find(f"local/{file}")
    assert found.base == str(file)
    assert Path(found.path) == gguf_files.folder_of(file)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"", "no GGUF file"),
        (b"PK\x03\x04", "no GGUF file"),
        (b"GGUF\x03", "cannot be unpacked"),
    ],
)
def test_a_broken_file_is_an_error_that_names_it(
    tmp_path: Path, cache: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "broken.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as error:
        model_folders.find_folder(str(path))
    assert str(path) in str(error.value)
    assert not list(cache.glob("gguf/*")), "nothing half-made stays"


def test_the_end_of_the_name_decides() -> None:
    assert gguf_files.is_gguf("models/Q4.GGUF")
    assert not gguf_files.is_gguf("models/gguf")


def test_a_link_to_a_file_of_another_name_is_the_same_model_after_training(file: Path, cache: Path) -> None:
    """As in the hub's cache, whose links lead to files that are named by their hash."""
    blob = file.rename(file.with_name("450d5e6e"))
    file.symlink_to(blob)
    base = weights.find(str(file)).base
    assert weights.find(base).path == weights.find(str(file)).path
    assert len(list((cache / "gguf").iterdir())) == 1
