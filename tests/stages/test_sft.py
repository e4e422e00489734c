import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer

from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.models.providers.scripted import ScriptedModel
from cowest.progress import quietly
from cowest.prompts import Prompts
from cowest.stages import sft as stage
from cowest.stages.sft import SFTConfig, sft
from cowest.training import LoRAConfig, TrainedModel
from cowest.types import ChatRequest, Example
from tests.training import tiny

FAST = SFTConfig(epochs=1, batch_size=4, gradient_accumulation=1, learning_rate=1e-2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("models") / "base")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_defaults_are_the_papers() -> None:
    config = SFTConfig()
    assert (config.epochs, config.learning_rate, config.batch_size, config.gradient_accumulation) == (1, 1.4e-5, 1, 8)
    assert config.from_ is None


def test_from_is_the_key_of_a_recipe() -> None:
    assert SFTConfig.model_validate({"from": "a"}) == SFTConfig(from_="a")
    assert SFTConfig(from_="a").model_dump(by_alias=True)["from"] == "a"
    with pytest.raises(ValidationError):
        SFTConfig.model_validate({"form": "a"})


def test_a_bar_shows_the_steps_unless_the_caller_does(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(**more: Any) -> str:
        sft(str(base), tiny.examples(10), out=tmp_path / f"sft-{len(more)}", config=FAST, **more)
        return capsys.readouterr().err

    # The first training of a process says that it loads its libraries.
    assert train().removeprefix("• loading torch, transformers and trl\n").startswith("sft 3/3 (100%)")
    assert train() == "", "it is finished already"
    assert train(progress=lambda done, total, metrics: None) == ""
    with quietly():
        assert train(seed=1, format="direct_answer") == ""


def test_folder_and_metrics(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[tuple[int, int]] = []
    trained = sft(
        f"local/{base}",
        tiny.examples(10),
        out=tmp_path / "sft",
        config=FAST,
        progress=lambda done, total, metrics: steps.append((done, total)),
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert trained.model == str(trained) == f"local/{tmp_path / 'sft'}"
    assert trained.base == str(base)
    assert sorted(path.name for path in (tmp_path / "sft").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "metrics.jsonl",
        "training.json",
    ]
    rows = rows_of(tmp_path / "sft" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert trained.metrics.first_loss == rows[0]["loss"]
    assert trained.metrics.final_loss == rows[-1]["loss"]
    assert rows[0]["learning_rate"] == 1e-2
    assert capsys.readouterr() == ("", "")


def test_reloaded_adapter_is_the_trained_model_and_not_the_base(base: Path, tmp_path: Path) -> None:
    from cowest.training import supervised

    held: list[Any] = []
    original = supervised.trl.SFTTrainer

    class Held(original):  # type: ignore[misc, valid-type]
        def train(self, *args: Any, **kwargs: Any) -> Any:
            result = super().train(*args, **kwargs)
            with torch.no_grad():
                held.append(self.model.eval()(torch.arange(5, 45)[None]).logits.log_softmax(-1))
            return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervised.trl, "SFTTrainer", Held)
        trained = sft(str(base), tiny.examples(10), out=tmp_path / "sft", config=FAST)
    reloaded = tiny.log_probabilities(base, trained.folder)
    assert torch.allclose(reloaded, held[0], atol=1e-5)
    assert (reloaded - tiny.log_probabilities(base, None)).abs().max() > 1e-2


def test_batch_1x8_equals_8x1(base: Path, tmp_path: Path) -> None:
    """Rows differ in length, so a mean over rows or micro-batches instead of over tokens would show."""
    for batch_size, accumulation in ((1, 8), (8, 1), (2, 4)):
        config = SFTConfig(batch_size=batch_size, gradient_accumulation=accumulation, learning_rate=1e-2, epochs=2)
        sft(str(base), tiny.examples(16), out=tmp_path / f"{batch_size}", config=config)
    reference = tiny.weights_of(tmp_path / "8")
    for other in ("1", "2"):
        losses = [rows_of(tmp_path / name / "metrics.jsonl") for name in ("8", other)]
        for left, right in zip(*losses, strict=True):
            assert left["loss"] == pytest.approx(right["loss"], abs=1e-5)
        for name, tensor in tiny.weights_of(tmp_path / other).items():
            assert tensor.allclose(reference[name], atol=1e-4), name


async def test_trained_on_the_prompt_that_drafts_are_asked_with(tmp_path: Path) -> None:
    asked: list[ChatRequest] = []

    def reply(request: ChatRequest) -> str:
        asked.append(request)
        return "Answer: 1"

    model = ScriptedModel(reply)
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "draft_direct_answer.txt").write_text("Other words: {{ query }}")
    prompts = Prompts(folder)
    await Collaboration(model, model, format="direct_answer", prompts=prompts).draft("why?")
    example = Example(id="a", query="why?", references=("because",))
    for given in (prompts, str(folder)):
        (row,), untrainable = stage._rows([example], "direct_answer", given)
        assert row.prompt == asked[0].messages
        assert (row.completions, untrainable) == (("Answer: because",), [])


def test_a_model_taught_one_answer_gives_it_and_ends(base: Path, tmp_path: Path) -> None:
    example = Example(id="a", query="colour?", references=("blue",))
    config = SFTConfig(epochs=60, gradient_accumulation=1, learning_rate=1e-2, lr_schedule="constant")
    trained = sft(str(base), [example], out=tmp_path / "sft", config=config, format="direct_answer")
    from peft import PeftModel

    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), trained.folder)
    messages = [message.model_dump() for message in Prompts().render("draft_direct_answer", query="colour?")]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")["input_ids"]
    written = model.generate(input_ids=prompt, max_new_tokens=30, do_sample=False)[0, prompt.shape[1] :]
    assert tokenizer.decode(written) == "Answer: blue<|end|>"


def test_overlong_rows_are_left_out_and_listed(base: Path, tmp_path: Path) -> None:
    long = Example(id="long", query="x" * 600, references=("1",))
    trained = sft(str(base), [*tiny.examples(4), long], out=tmp_path / "sft", config=FAST)
    assert (trained.metrics.num_rows, trained.metrics.num_overlong) == (4, 1)
    (row,) = rows_of(tmp_path / "sft" / "overlong.jsonl")
    assert (row["id"], row["max_length"]) == ("long", 512)
    assert row["num_tokens"] > 600


def test_max_length_is_a_border_that_a_row_may_reach(base: Path, tmp_path: Path) -> None:
    longer = sft(str(base), tiny.examples(3)[2:], out=tmp_path / "a", config=FAST)
    tokens = longer.metrics.tokens
    exact = FAST.model_copy(update={"max_length": tokens})
    assert sft(str(base), tiny.examples(3), out=tmp_path / "b", config=exact).metrics.num_overlong == 0
    short = FAST.model_copy(update={"max_length": tokens - 1})
    assert sft(str(base), tiny.examples(3), out=tmp_path / "c", config=short).metrics.num_overlong == 1


def test_rows_without_target_are_left_out_and_listed(base: Path, tmp_path: Path) -> None:
    rows = tiny.examples(6)
    trained = sft(str(base), rows, out=tmp_path / "sft", config=FAST, format="domain_knowledge")
    assert (trained.metrics.num_rows, trained.metrics.num_untrainable) == (4, 2)
    assert [row["id"] for row in rows_of(tmp_path / "sft" / "untrainable.jsonl")] == ["e0", "e3"]


@pytest.mark.parametrize(
    ("rows", "message"), [([], r"there are no rows\. Give some\."), (tiny.examples(2), "2 are longer than 9")]
)
def test_nothing_to_train_on(base: Path, tmp_path: Path, rows: list[Example], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sft(str(base), rows, out=tmp_path / "sft", config=FAST.model_copy(update={"max_length": 9}))
    assert not (tmp_path / "sft" / "training.json").exists()


def test_nothing_to_train_on_says_why_rows_hold_no_target(base: Path, tmp_path: Path) -> None:
    without = [tiny.examples(1)[0]]
    with pytest.raises(
        InputError, match=r"1 hold no target.*since: the row holds nothing.*sft\.explanations"
    ) as caught:
        sft(str(base), without, out=tmp_path / "sft", config=FAST, format="domain_knowledge")
    assert "max_length" not in str(caught.value)


def test_from_names_the_model_after_sft(base: Path, tmp_path: Path) -> None:
    given = sft("no/such", [], out=tmp_path / "sft", config=SFTConfig(from_=str(base)))
    assert (given.folder, given.base, given.model) == (None, str(base), f"local/{base}")
    assert TrainedModel.read(tmp_path / "sft") == given


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return sft(str(base), tiny.examples(4), out=tmp_path_factory.mktemp("sft") / "first", config=FAST)


def test_from_may_be_an_adapter(base: Path, trained: TrainedModel, tmp_path: Path) -> None:
    given = sft(str(base), [], out=tmp_path / "sft", config=SFTConfig(from_=trained.model))
    assert (given.folder, given.base) == (trained.folder, str(base))


def test_sft_of_an_adapter_is_refused(trained: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sft\.from"):
        sft(trained.model, tiny.examples(4), out=tmp_path / "second", config=FAST)


def test_weights_in_bfloat16_are_trained_in_float32(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "m", dtype=torch.bfloat16)
    trained = sft(str(folder), tiny.examples(4), out=tmp_path / "sft", config=FAST)
    assert all(tensor.dtype == torch.float32 for tensor in tiny.weights_of(str(trained.folder)).values())


def test_model_without_padding_token(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "m", pad=False)
    assert sft(str(folder), tiny.examples(4), out=tmp_path / "sft", config=FAST).metrics.num_rows == 4


@pytest.mark.parametrize("modules", [("no_such_module",), ("lm_head",)])
def test_modules_that_cannot_be_trained(base: Path, tmp_path: Path, modules: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"lora\.target_modules"):
        sft(str(base), tiny.examples(4), out=tmp_path / "s", config=FAST, lora=LoRAConfig(target_modules=modules))


def test_output_folder_that_is_a_file(base: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="output folder"):
        sft(str(base), tiny.examples(4), out=tmp_path / "file", config=FAST)


def test_nothing_lands_outside_the_output_folder(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "here"))
    sft(str(base), tiny.examples(4), out=tmp_path / "sft", config=FAST)
    assert list((tmp_path / "here").iterdir()) == []
