"""Your own questions and an OpenAI-compatible endpoint: from two CSV files to a table of results.

    python examples/own_data.py --strong openai/gpt-4.1        # the key is read from OPENAI_API_KEY
    python examples/own_data.py --strong openai/qwen3 --base-url http://127.0.0.1:11434/v1 --weak models/qwen2.5-0.5b

Interrupt it as you like: the same command goes on where it stopped, and pays for no call twice.
"""

import argparse
from pathlib import Path

import cowest
from cowest.types import Sampling

DATA = Path(__file__).parent / "data"

parser = argparse.ArgumentParser(description="Trains a small model on your rows and measures it with a large one.")
parser.add_argument("--strong", required=True, help="the large model, PROVIDER/NAME")
parser.add_argument("--base-url", help="its endpoint, where it is not the provider's own")
parser.add_argument("--weak", default="HuggingFaceTB/SmolLM2-135M-Instruct", help="the small one: a folder or hub id")
parser.add_argument("--train", default=f"{DATA}/train.csv")
parser.add_argument("--test", default=f"{DATA}/test.csv")
parser.add_argument("--out", default="runs/own_data")
given = parser.parse_args()

# Columns: what is asked, what is right, and (where there is one) why, which teaches the small model to explain.
task = cowest.task(
    "jsonl", train=given.train, test=given.test, question="question", answer="answer", explanation="note"
)
strong = cowest.model(
    given.strong,
    base_url=given.base_url,
    price={"input": 2.0, "output": 8.0},  # USD per million tokens; only for a model that has no list price
    budget_usd=5,
    sampling={"max_tokens": 1024},
)
short = Sampling(temperature=1.0, top_p=0.9, max_tokens=96)  # of a draft

sft = cowest.sft(given.weak, task.train, out=f"{given.out}/sft")
pairs = cowest.feedback(
    task.train, weak=sft, strong=strong, samples=4, weak_sampling=short, task=task, out=f"{given.out}/feedback"
)
aligned = cowest.align(sft, pairs, out=f"{given.out}/align") if pairs else sft

together = cowest.Collaboration(aligned, strong, weak_sampling=short)
results = cowest.evaluate(task.test, {"strong alone": strong, "together": together}, out=f"{given.out}/evaluate")
print(results)
print(f"\n{task.test[0].query}\n{together.answer(task.test[0].query)}")
