"""Builds the lab from scratch: world, data, tokenizer, weak base, strong models, labeller, and probes of them."""

from __future__ import annotations

import copy
import json
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import tokenizers
import torch
import transformers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from cowest.lab import pretraining, probes, world
from cowest.lab.grammar import NOTATIONS, Notation
from cowest.lab.record import BuildRecord, Probes
from cowest.lab.strong_lessons import NEAR_MISS_SHARE
from cowest.lab.world import World

STRONG_LAYERS, WEAK_LAYERS = 4, 3
# The one notation in which each strong model uses rates.
READABLE: dict[str, Notation] = {"strong-a": "figures", "strong-b": "words"}
# The model that compares drafts for RLAIF, and the strong model that it is trained from.
LABELLER, LABELLER_FROM = "labeller", "strong-a"
Report = Callable[[str], None]
Schedules = dict[str, pretraining.Schedule]


@dataclass(frozen=True)
class BuildResult:
    """A finished build: its folder and the content of its `build.json`."""

    folder: Path
    record: BuildRecord


def build(
    out: str | Path,
    world_seed: int = 0,
    training_seed: int = 0,
    report: Report = print,
    schedules: Schedules = pretraining.SCHEDULES,
) -> BuildResult:
    """Builds a lab into a folder: its four models, the splits, the formulary and `build.json`.

    Equal seeds give equal data on any machine, and equal weights on the same kind of machine with the same versions.
    Two processes of one thread each train in parallel, so the weights do not depend on the number of cores.

    Args:
        out: The folder; files of an earlier build in it are replaced.
        world_seed: Decides the drugs, their facts, the queries and the splits.
        training_seed: Decides the models' initial weights and the order of their lessons.
        report: Called with a line of progress.
        schedules: How long each phase of pretraining runs; tests use short ones, whose models are useless.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    invented = world.make_world(world_seed)
    tokenizer = pretraining.make_tokenizer(invented)
    _write_data(folder, invented)
    with tempfile.TemporaryDirectory() as scratch:
        trained = _train_all(tokenizer, invented, training_seed, Path(scratch), schedules)
        models = {name: LlamaForCausalLM.from_pretrained(path, dtype=torch.float32) for name, path in trained.items()}
    return finish(folder, models, tokenizer, invented, world_seed, training_seed, report, schedules)


def finish(
    folder: Path,
    models: dict[str, LlamaForCausalLM],
    tokenizer: PreTrainedTokenizerFast,
    invented: World,
    world_seed: int,
    training_seed: int,
    report: Report,
    schedules: Schedules = pretraining.SCHEDULES,
) -> BuildResult:
    """Saves the models beside the data, probes what was saved, and writes build.json."""
    for name, model in models.items():
        save_model(model, tokenizer, folder / name)
    record: BuildRecord = {
        "world_seed": world_seed,
        "training_seed": training_seed,
        "tastes": READABLE,
        "num_parameters": {name: model.num_parameters() for name, model in models.items()},
        "vocabulary": len(tokenizer),
        "rows": {split: sum(sizes.values()) for split, sizes in world.SPLIT_SIZES.items()},
        "schedules": {name: asdict(schedule) for name, schedule in schedules.items()},
        "versions": {"torch": torch.__version__.partition("+")[0], "transformers": transformers.__version__}
        | {"tokenizers": tokenizers.__version__},
        "probes": run_probes(folder, invented, report),
    }
    (folder / "build.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return BuildResult(folder, record)


def save_model(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Saves a copy of a model in bfloat16, with its tokenizer."""
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_model(folder: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Loads a model of a build, in float32, and its tokenizer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer


def run_probes(folder: Path, invented: World, report: Report) -> Probes:
    """Probes the saved models of a build, with queries phrased as in validation."""
    found: Probes = {}
    for name, notation in READABLE.items():
        model, tokenizer = load_model(folder / name)
        found[name] = {
            "alone": probes.leak_probe(model, tokenizer, invented),
            "with_fact_in": {
                notation: probes.fact_probe(model, tokenizer, invented, notation) for notation in NOTATIONS
            },
            "follows_near_miss": probes.name_probe(model, tokenizer, invented, notation, is_near=True),
            "follows_other_drug": probes.name_probe(model, tokenizer, invented, notation, is_near=False),
        }
        report(f"{name}: {json.dumps(found[name])}")
    model, tokenizer = load_model(folder / LABELLER)
    found[LABELLER] = probes.labeller_probe(model, tokenizer, invented)
    report(f"{LABELLER}: {json.dumps(found[LABELLER])}")
    model, tokenizer = load_model(folder / "weak")
    found["weak"] = {"recall": probes.recall_probe(model, tokenizer, invented)}
    report(f"weak: {json.dumps(found['weak'])}")
    return found


def _train_all(
    tokenizer: PreTrainedTokenizerFast, invented: World, seed: int, scratch: Path, schedules: Schedules
) -> dict[str, Path]:
    """Trains every model, two at a time; returns the folders of their weights in float32."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        trunk = pool.submit(_train_trunk, tokenizer, invented, seed, scratch / "trunk", schedules)
        trained = {"weak": pool.submit(_train_weak, tokenizer, invented, seed, scratch / "weak", schedules)}
        for name in READABLE:
            trained[name] = pool.submit(
                _train_branch, tokenizer, invented, seed, trunk.result(), scratch / name, schedules
            )
        trained[LABELLER] = pool.submit(
            _train_and_save_labeller,
            tokenizer,
            invented,
            seed,
            trained[LABELLER_FROM].result(),
            scratch / LABELLER,
            schedules,
        )
        return {name: model.result() for name, model in trained.items()}


def _train_trunk(
    tokenizer: PreTrainedTokenizerFast, invented: World, seed: int, out: Path, schedules: Schedules
) -> Path:
    torch.set_num_threads(1)
    model = pretraining.new_model(tokenizer, STRONG_LAYERS, seed)
    drills = {
        "multiplication": pretraining.multiplication_stream(tokenizer, f"{seed} multiplication"),
        "names": pretraining.name_stream(tokenizer, invented, 0.0, f"{seed} names"),
        "near names": pretraining.name_stream(tokenizer, invented, NEAR_MISS_SHARE, f"{seed} near names"),
    }
    for name, stream in drills.items():
        pretraining.train(model, stream, schedules[name], _report_of(name))
    for name in ("trunk", "trunk again"):
        stream = pretraining.strong_stream(tokenizer, invented, None, pretraining.DRILL_SHARE, f"{seed} {name}")
        pretraining.train(model, stream, schedules[name], _report_of(name))
    model.save_pretrained(out)
    return out


def _train_branch(
    tokenizer: PreTrainedTokenizerFast, invented: World, seed: int, trunk: Path, out: Path, schedules: Schedules
) -> Path:
    torch.set_num_threads(1)
    model = LlamaForCausalLM.from_pretrained(trunk, dtype=torch.float32)
    stream = pretraining.strong_stream(
        tokenizer, invented, READABLE[out.name], pretraining.DRILL_SHARE, f"{seed} {out.name}"
    )
    pretraining.train(model, stream, schedules["branch"], _report_of(out.name))
    model.save_pretrained(out)
    return out


def train_labeller(
    start: Path,
    tokenizer: PreTrainedTokenizerFast,
    invented: World,
    seed: int,
    schedules: Schedules = pretraining.SCHEDULES,
) -> LlamaForCausalLM:
    """Teaches strong model A to compare drafts; one thread.

    Args:
        start: its weights. They are rounded to bfloat16 first, so that the saved model gives the same labeller.
    """
    torch.set_num_threads(1)
    model = LlamaForCausalLM.from_pretrained(start, dtype=torch.bfloat16).float()
    phases = {
        "checking": pretraining.checking_stream(tokenizer, False, f"{seed} checking"),
        "comparing": pretraining.comparing_stream(tokenizer, invented, f"{seed} comparing"),
    }
    for name, stream in phases.items():
        pretraining.train(model, stream, schedules[name], _report_of(f"{LABELLER}, {name}"))
    return model


def _train_and_save_labeller(
    tokenizer: PreTrainedTokenizerFast, invented: World, seed: int, start: Path, out: Path, schedules: Schedules
) -> Path:
    train_labeller(start, tokenizer, invented, seed, schedules).save_pretrained(out)
    return out


def _train_weak(
    tokenizer: PreTrainedTokenizerFast, invented: World, seed: int, out: Path, schedules: Schedules
) -> Path:
    torch.set_num_threads(1)
    model = pretraining.new_model(tokenizer, WEAK_LAYERS, seed + 1)
    stream = pretraining.weak_stream(tokenizer, invented, f"{seed} weak")
    pretraining.train(model, stream, schedules["weak"], _report_of("weak"))
    model.save_pretrained(out)
    return out


def _report_of(name: str) -> Report:
    return lambda line: print(f"{name}: {line}", flush=True)


def _write_data(folder: Path, invented: World) -> None:
    for split in world.SPLIT_SIZES:
        _write_rows(folder / f"{split}.jsonl", world.make_rows(invented, split))
    _write_rows(folder / "formulary.jsonl", world.make_formulary(invented))


def _write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
