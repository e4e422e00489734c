"""A weak model alone on real rows: SFT and evaluation of a small language model on DiaSafety, beside two baselines.

The language model is built from a config. Its tokenizer and its base weights come from the training queries, with
answers behind them that a coin chose and not the row's label; `cowest.sft` then teaches it the labels and
`cowest.evaluate` measures it, together with

  majority     the most frequent label of the training rows
  tfidf        logistic regression on TF-IDF of one and two words of the same queries
  base         the same language model before SFT

It opens the validation file and the part of the test file whose contexts were seen, once each, with settings that were
fixed before:

    python benchmarks/real_data.py DATA --out runs/real_data

DATA is the folder with diasafety/train.jsonl.gz, val.jsonl.gz and test_seen_contexts.jsonl.gz. `--quick` takes 400 rows
and a smaller model, to see that everything runs.
"""

import argparse
import math
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import cowest
from cowest import runs
from cowest.methods.base import Method, predict
from cowest.methods.weak_only import WeakOnly
from cowest.records import Estimate, EvaluationResults
from cowest.stages.sft import SFTConfig
from cowest.tasks.base import Split
from cowest.training import LoRAConfig
from cowest.types import Answer, Example, Prediction, Sampling

FILES = {"train": "train.jsonl.gz", "validation": "val.jsonl.gz", "test": "test_seen_contexts.jsonl.gz"}
PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
BLOCK = 128
SAMPLING = Sampling(temperature=0.0, max_tokens=8)

PRETRAINING_EPOCHS = 3
SFT = SFTConfig(epochs=1, learning_rate=2e-3, batch_size=16, gradient_accumulation=1, warmup_ratio=0.05, max_length=192)
LORA = LoRAConfig(
    r=32,
    alpha=32,
    target_modules=("embed_tokens", "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
)


class Constant:
    """Answers every query with the most frequent label of the training rows."""

    round: int | None = None

    def __init__(self, name: str, train: Split) -> None:
        self.name = name
        self.task = train.task
        self.label = Counter(example.references[0] for example in train).most_common(1)[0][0]

    async def predict(self, example: Example) -> Prediction:
        """The label, whatever the query."""
        return predict(self.name, self.task, example, Answer(final=self.label), [], output=self.label)

    async def close(self) -> None:
        """Nothing to release."""


class TfIdf:
    """Logistic regression on the words and the pairs of words of a query."""

    round: int | None = None

    def __init__(self, name: str, train: Split) -> None:
        self.name = name
        self.task = train.task
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        self.classifier = make_pipeline(words, LogisticRegression(C=3.0, max_iter=1000))
        self.classifier.fit([example.query for example in train], [example.references[0] for example in train])

    async def predict(self, example: Example) -> Prediction:
        """The likelier label."""
        label = str(self.classifier.predict([example.query])[0])
        return predict(self.name, self.task, example, Answer(final=label), [], output=label)

    async def close(self) -> None:
        """Nothing to release."""


def build_base(train: Split, folder: Path, *, quick: bool, seed: int) -> Path:
    """Trains a tokenizer and a language model on the queries of `train`, once; returns the model's folder."""
    if (folder / "built.json").is_file():
        return folder
    started = time.monotonic()
    tokenizer = make_tokenizer([example.query for example in train], vocabulary=1000 if quick else 2048)
    torch.manual_seed(seed)
    width = 64 if quick else 128
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=8 * width // 3,
        num_hidden_layers=2,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    # The instruction behind the last blank line is the same in all queries, and nearly half of their tokens. SFT leaves
    # the output layer as it is, so the base must know the words of an answer: it sees them behind queries, by a coin.
    coin = random.Random(seed)
    labels = sorted({example.references[0] for example in train})
    shown = [example.query.rsplit("\n\n", 1)[0] for example in train]
    texts = [f"{USER}{text}{END}{ASSISTANT}Answer: {coin.choice(labels)}{END}" for text in shown]
    loss = pretrain(model, tokenizer, texts, epochs=1 if quick else PRETRAINING_EPOCHS, seed=seed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    built = {
        "num_parameters": model.num_parameters(),
        "num_tokens": len(tokenizer),
        "loss": loss,
        "wall_s": time.monotonic() - started,
    }
    runs.write_json(folder / "built.json", built)
    return folder


def make_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of lower-case text with a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = [PAD, END, USER, ASSISTANT]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=specials, initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    return fast


def pretrain(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], *, epochs: int, seed: int
) -> float | None:
    """Next-token training on the texts, packed in blocks; returns the mean loss of the last epoch."""
    order = random.Random(seed)
    steps_an_epoch = sum(1 for _ in blocks(texts, tokenizer, order))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.05)
    step, mean = 0, None
    for epoch in range(epochs):
        losses = []
        for ids in blocks(texts, tokenizer, order):
            done = step / (epochs * steps_an_epoch)
            rate = 3e-3 * min(1.0, (step + 1) / 50) * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = model(input_ids=ids, labels=ids).loss
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
            step += 1
        mean = sum(losses) / len(losses)
        print(f"pretraining, epoch {epoch + 1} of {epochs}: loss {mean:.3f}", flush=True)
    return mean


def blocks(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, order: random.Random, rows: int = 32
) -> Iterator[torch.Tensor]:
    """Batches of token ids [rows, BLOCK]: the texts in a new order, end to end."""
    ids = tokenizer(order.sample(list(texts), len(texts)), add_special_tokens=False)["input_ids"]
    flat = torch.tensor([token for row in ids for token in row])
    count = len(flat) // (rows * BLOCK)
    yield from flat[: count * rows * BLOCK].view(count, rows, BLOCK)


def weak_only(name: str, model: str, split: Split) -> WeakOnly:
    """The method `weak_only` with greedy drafts."""
    weak = cowest.open_model(model, role="weak")
    pair = cowest.Collaboration(weak, weak, format="direct_answer", weak_sampling=SAMPLING)
    return WeakOnly(name, pair, split.task)


def measure(splits: Sequence[Split], out: Path, *, quick: bool, seed: int) -> None:
    """Trains on the first split and prints every method on the others."""
    train, *others = splits
    base = build_base(train, out / "base", quick=quick, seed=seed)
    started = time.monotonic()
    trained = cowest.sft(
        f"local/{base}", train, out=out / "sft", config=SFT, lora=LORA, format="direct_answer", seed=seed
    )
    print(f"base: {runs.read_json(base / 'built.json')}")
    print(f"SFT: {time.monotonic() - started:.0f} s, {trained.metrics.to_json()}")
    for split in others:
        methods: list[Method] = [
            Constant("majority", train),
            TfIdf("tfidf", train),
            weak_only("base", f"local/{base}", split),
            weak_only("weak_only", trained.model, split),
        ]
        results = cowest.evaluate(split, methods, out=out / f"evaluate-{split.name}", seed=seed)
        print_results(FILES[split.name], results)


def print_results(title: str, results: EvaluationResults) -> None:
    """A table row for each method, then what sets the language model apart from TF-IDF."""
    print(f"| {title}, {results.num_examples} rows | accuracy [95%] | macro-F1 [95%] | no label |\n|---|---|---|---|")
    for name, row in results.methods.items():
        cells = [_cell(row.metrics[metric]) for metric in ("accuracy", "macro_f1")]
        print(f"| {name} | {' | '.join(cells)} | {row.num_unparsed} |")
    for each in results.comparisons:
        if {each.a, each.b} == {"weak_only", "tfidf"} and each.ci95 is not None:
            low, high = each.ci95
            print(f"{each.metric}: {each.a} - {each.b} = {each.difference:+.3f} [{low:+.3f}, {high:+.3f}]")
    print(flush=True)


def _cell(metric: Estimate) -> str:
    low, high = metric.ci95 or (math.nan, math.nan)
    return f"{metric.value:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder that holds diasafety/")
    parser.add_argument("--out", type=Path, default=Path("runs/real_data"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="400 rows and a smaller model")
    arguments = parser.parse_args()
    locations = {name: str(arguments.data / "diasafety" / file) for name, file in FILES.items()}
    # A few rows of train stand in the other files too; they must not be learned.
    task = cowest.task("diasafety", **locations, overlap="drop")
    splits = [split[:400] if arguments.quick else split for split in (task.train, task.validation, task.test)]
    out = arguments.out / f"{'quick' if arguments.quick else 'seed'}-{arguments.seed}"
    measure(splits, out, quick=arguments.quick, seed=arguments.seed)


if __name__ == "__main__":
    main()
