import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from cowest.cli.main import main
from cowest.errors import EndpointError, InputError
from cowest.export import publish, write_folder
from cowest.records import TrainingRecord
from cowest.runs import write_json, write_jsonl
from cowest.types import Draft, GradedDraft, GradedExample, Verdict
from tests.export.sample import SECRET_PLACE, pair
from tests.training import tiny
from tests.worlds import tree


def front_matter(card: Path) -> dict[str, Any]:
    _, front, _ = card.read_text(encoding="utf-8").split("---\n", 2)
    document = yaml.safe_load(front)
    assert isinstance(document, dict)
    return document


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return torch.as_tensor(model(torch.tensor([[7, 8, 9, 10]])).logits)


def small_updates(adapter: Path, factor: float) -> None:
    file = adapter / "adapter_model.safetensors"
    save_file({name: weight * factor for name, weight in load_file(file).items()}, file, metadata={"format": "pt"})


def test_the_adapter_is_the_last_rounds_and_peft_loads_it(finished: Path, base: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    files = [str(path.relative_to(target)) for path in write_folder(finished, target)]
    assert files == [
        "model/README.md",
        "model/adapter_config.json",
        "model/adapter_model.safetensors",
        "pairs/README.md",
        "pairs/data/round-1.parquet",
    ]
    own = load_file(finished / "round-1" / "align" / "adapter_model.safetensors")
    exported = load_file(target / "model" / "adapter_model.safetensors")
    assert own.keys() == exported.keys()
    assert all(torch.equal(own[name], exported[name]) for name in own)
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), target / "model")
    before = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), finished / "sft")
    assert not torch.allclose(logits(loaded), logits(before))


def test_merged_weights_say_what_base_and_adapter_say(finished: Path, base: Path, tmp_path: Path) -> None:
    write_folder(finished, tmp_path / "out", merged=True)
    model = tmp_path / "out" / "model"
    together = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), finished / "round-1" / "align")
    assert torch.allclose(logits(AutoModelForCausalLM.from_pretrained(model)), logits(together), atol=1e-5)
    assert AutoTokenizer.from_pretrained(model).chat_template
    assert front_matter(model / "README.md")["library_name"] == "transformers"


def test_merging_is_in_float32_and_the_card_says_what_rounding_costs(run: Path, tmp_path: Path) -> None:
    base = tiny.build_for_4_bits(tmp_path / "coarse-base", dtype=torch.bfloat16)
    adapter = run / "round-1" / "align"
    small_updates(adapter, 0.02)
    marker = json.loads((adapter / "training.json").read_text()) | {"base": str(base)}
    (adapter / "training.json").write_text(json.dumps(marker))
    config = json.loads((adapter / "adapter_config.json").read_text()) | {"base_model_name_or_path": str(base)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    write_folder(run, tmp_path / "out", merged=True)

    exact = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter
    ).merge_and_unload()
    wanted, plain = exact.state_dict(), AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).state_dict()
    got = load_file(tmp_path / "out" / "model" / "model.safetensors")
    assert {weight.dtype for weight in got.values()} == {torch.bfloat16}
    assert all(torch.equal(weight, wanted[name].bfloat16()) for name, weight in got.items())

    update = torch.cat([(wanted[name] - plain[name]).flatten() for name in got])
    saved = torch.cat([(got[name].float() - plain[name]).flatten() for name in got])
    arrives, error = (update @ saved) / (update @ update), (saved - update).norm() / update.norm()
    assert 0.05 < error < 0.95
    card = " ".join((tmp_path / "out" / "model" / "README.md").read_text(encoding="utf-8").split())
    assert "rounded to bfloat16" in card
    assert f"{arrives:.1%} arrives" in card
    assert f"error is {error:.3f} times" in card
    assert "without `--merged` loses nothing" in card


def test_in_float32_merging_loses_nothing(finished: Path, tmp_path: Path) -> None:
    write_folder(finished, tmp_path / "out", merged=True)
    card = (tmp_path / "out" / "model" / "README.md").read_text(encoding="utf-8")
    assert "100.0% arrives" in card
    assert "error is 0.000 times" in card
    assert "loses nothing" not in card


@pytest.mark.parametrize("merged", [False, True])
def test_nothing_of_this_machine_and_no_pickle_goes_out(finished: Path, tmp_path: Path, merged: bool) -> None:
    write_folder(finished, tmp_path / "out", merged=merged)
    for name, content in tree(tmp_path / "out").items():
        assert not name.endswith((".pt", ".bin", ".pkl", ".pth"))
        for word in (SECRET_PLACE, str(finished.parent), "internal.example", "TEAM_KEY"):
            assert word.encode() not in content, name


def test_the_pairs_are_what_trl_reads(finished: Path, tmp_path: Path) -> None:
    write_folder(finished, tmp_path / "out")
    read = datasets.load_dataset(str(tmp_path / "out" / "pairs"), cache_dir=str(tmp_path / "cache"))
    assert list(read) == ["train"]
    assert list(read["train"]) == [pair(number).model_dump(mode="json") for number in range(3)]
    configurations = datasets.get_dataset_config_names(str(tmp_path / "out" / "pairs"))
    assert configurations == ["default", "round_1"]  # from the card's front matter


def test_the_model_card_says_what_was_measured_and_what_not(finished: Path, tmp_path: Path) -> None:
    write_folder(finished, tmp_path / "out")
    card = (tmp_path / "out" / "model" / "README.md").read_text(encoding="utf-8")
    for said in (
        "77.0%",
        "[72.5, 81.5]",
        "41.5 points",
        "the strong model itself (openai/gpt-4.1)",
        "`b7cc3342ab67`",
        "$0.0016",
        "2 examples got no reply",
        "16 drafts of 1,721 could not be judged",
        "`tiny-base`",
    ):
        assert said in card
    assert front_matter(tmp_path / "out" / "model" / "README.md")["library_name"] == "peft"


def test_where_alignment_learned_from_single_drafts_there_may_be_no_pair(run: Path, tmp_path: Path) -> None:
    (run / "round-1" / "feedback" / "pairs.jsonl").write_text("")
    write_folder(run, tmp_path / "out")
    own = (run / "round-1" / "align" / "adapter_model.safetensors").read_bytes()
    assert (tmp_path / "out" / "model" / "adapter_model.safetensors").read_bytes() == own


def test_the_model_card_names_the_method_of_alignment(run: Path, tmp_path: Path) -> None:
    marker = run / "round-1/align/training.json"
    trained = TrainingRecord.read(marker)
    weights = {"desirable_weight": 1.0, "undesirable_weight": 1.5}
    for number, (facts, said) in enumerate(
        [
            ({"method": "dpo", "loss": "ipo", "weight": "gain", "settings": {"pairs": "all"}}, "ipo, weight gain"),
            ({"method": "kto", **weights}, "kto with beta 0.1, desirable weight 1, undesirable weight 1.5"),
            ({"method": "rft", "beta": None}, "Alignment: rft."),
        ]
    ):
        trained.model_copy(update={"beta": 0.1} | facts).write(marker)
        write_folder(run, tmp_path / str(number))
        card = (tmp_path / str(number) / "model" / "README.md").read_text(encoding="utf-8")
        assert said in card, card[card.index("How it was made") :][:600]


def test_a_base_of_the_hub_is_named_in_the_front_matter(run: Path, tmp_path: Path) -> None:
    marker = run / "round-1" / "align" / "training.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"base": "meta-llama/Llama-3"}))
    write_folder(run, tmp_path / "out")
    assert front_matter(tmp_path / "out" / "model" / "README.md")["base_model"] == "meta-llama/Llama-3"
    config = json.loads((tmp_path / "out" / "model" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "meta-llama/Llama-3"


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ("recipe.yaml", "not a run's folder"),
        ("evaluate/results.json", "no results"),
        ("round-1/align/training.json", "alignment of round 1 is not done"),
        ("round-1/feedback/summary.json", "feedback of round 1 is not done"),
        ("round-1/align/adapter_model.safetensors", "has no adapter_model.safetensors"),
    ],
)
def test_a_run_that_is_not_finished_is_refused(run: Path, tmp_path: Path, missing: str, why: str) -> None:
    (run / missing).unlink()
    with pytest.raises(InputError, match=why):
        write_folder(run, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_where_no_round_gave_pairs_the_sft_adapter_goes_out(run: Path, tmp_path: Path) -> None:
    (run / "round-1" / "feedback" / "pairs.jsonl").write_text("")
    shutil.rmtree(run / "round-1" / "align")
    write_folder(run, tmp_path / "out")
    own = (run / "sft" / "adapter_model.safetensors").read_bytes()
    assert (tmp_path / "out" / "model" / "adapter_model.safetensors").read_bytes() == own
    assert not (tmp_path / "out" / "pairs").exists()


def test_a_round_whose_pairs_the_method_cannot_use_ends_the_run_as_no_pair_does(run: Path, tmp_path: Path) -> None:
    """All drafts were cut: there are pairs, but no draft for rft."""
    shutil.rmtree(run / "round-1" / "align")
    recipe = json.loads((run / "recipe.yaml").read_text())
    draft = GradedDraft(
        draft=Draft(text="cut", sample_index=0, finish_reason="length"), refined="y", verdict=Verdict(score=9), gain=8
    )
    row = GradedExample(example_id="q", query="x", solo="z", solo_verdict=Verdict(score=1), drafts=(draft,))
    write_jsonl(run / "round-1" / "feedback" / "graded.jsonl", [row])
    write_json(run / "recipe.yaml", recipe | {"align": {"method": "rft"}})
    write_folder(run, tmp_path / "out")
    own = (run / "sft" / "adapter_model.safetensors").read_bytes()
    assert (tmp_path / "out" / "model" / "adapter_model.safetensors").read_bytes() == own


@pytest.mark.parametrize("text", ["[]", "null", '{"prompt files": 5}', '{"prompt files": null}'])
def test_inputs_of_the_evaluation_that_no_stage_wrote_are_named(run: Path, tmp_path: Path, text: str) -> None:
    (run / "evaluate" / "inputs.json").write_text(text)
    with pytest.raises(InputError, match=r"inputs\.json' is not what cowest wrote there"):
        write_folder(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "[]"])
def test_a_broken_adapter_config_is_named(run: Path, tmp_path: Path, text: str) -> None:
    (run / "round-1" / "align" / "adapter_config.json").write_text(text)
    with pytest.raises(InputError, match=r"adapter_config\.json"):
        write_folder(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"\x02\0\0\0\0\0\0\0{}", b"not weights at all"])
def test_weights_that_no_training_wrote_are_named(run: Path, tmp_path: Path, content: bytes) -> None:
    (run / "round-1" / "align" / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"adapter_model\.safetensors'.* Train the adapter again"):
        write_folder(run, tmp_path / "out")


def test_versions_that_no_training_wrote_are_named(run: Path, tmp_path: Path) -> None:
    marker = run / "round-1" / "align" / "training.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"versions": 5}))
    with pytest.raises(InputError, match=r"training\.json' is not what cowest wrote there: versions"):
        write_folder(run, tmp_path / "out")


def test_a_broken_pair_is_named(run: Path, tmp_path: Path) -> None:
    pairs = run / "round-1" / "feedback" / "pairs.jsonl"
    pairs.write_text(pairs.read_text() + '{"prompt": []}\n')
    with pytest.raises(InputError, match="line 4 is no preference pair"):
        write_folder(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_not_touched(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write_folder(finished, tmp_path)
    assert tree(tmp_path) == {"mine.txt": b"mine"}


class FakeHub:
    """Takes what HfApi would send."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], dict[str, Any]] = {}

    def create_repo(self, name: str, *, repo_type: str, private: bool, exist_ok: bool) -> Any:
        full_name = name if "/" in name else f"me/{name}"
        self.repositories[repo_type, full_name] = {"private": private, "files": []}
        return type("Url", (), {"repo_id": full_name})

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: Path, commit_message: str) -> None:
        self.repositories[repo_type, repo_id]["files"] = list(tree(folder_path))


def test_on_the_hub_weights_and_pairs_are_two_private_repositories(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = FakeHub()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    addresses = publish(finished, "helper")
    assert addresses == ["https://huggingface.co/me/helper", "https://huggingface.co/datasets/me/helper-pairs"]
    assert hub.repositories == {
        ("model", "me/helper"): {
            "private": True,
            "files": ["README.md", "adapter_config.json", "adapter_model.safetensors"],
        },
        ("dataset", "me/helper-pairs"): {"private": True, "files": ["README.md", "data/round-1.parquet"]},
    }


def test_a_hub_that_refuses_is_an_endpoint_that_failed(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no route to the hub")

    hub = FakeHub()
    monkeypatch.setattr(hub, "create_repo", refuse)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    with pytest.raises(EndpointError, match="hf auth login"):
        publish(finished, "me/helper")


def test_a_name_that_the_hub_does_not_know_is_refused_first(finished: Path) -> None:
    with pytest.raises(InputError, match="OWNER/NAME"):
        publish(finished, "a/b/c")


def test_the_command_prints_the_files(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(finished), "--to", str(tmp_path / "out")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert main(["export", str(finished), "--to", str(tmp_path / "out")]) == 2
    assert main(["export", str(finished), "--to", str(tmp_path / "other"), "--public"]) == 2


def test_a_run_that_trains_nothing_has_no_adapter(run: Path, tmp_path: Path) -> None:
    recipe = run / "recipe.yaml"
    data = yaml.safe_load(recipe.read_text())
    data["weak"]["model"] = "openai/small"
    recipe.write_text(yaml.safe_dump(data))
    with pytest.raises(InputError, match=r"trains nothing, since weak\.model is 'openai/small'.*pairs\.jsonl"):
        write_folder(run, tmp_path / "out")
