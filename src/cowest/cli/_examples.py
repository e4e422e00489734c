"""Examples for the `--help` of each verb."""

EXAMPLES = {
    "quickstart": ["cowest quickstart", "cowest quickstart --run runs/seed-1 --seed 1"],
    "init": [
        "cowest init",
        "cowest init --train faq.csv --yes --out faq.yaml",
        "cowest init --train faq.csv --strong openai/NAME --base-url http://HOST/v1",
    ],
    "recipes": ["cowest recipes", "cowest recipes medmcqa --to mine.yaml"],
    "run": [
        "cowest run mine.yaml",
        "cowest run mine.yaml run=runs/try feedback.queries=20 evaluate.limit=50",
        "cowest run mine.yaml --json > results.json",
    ],
    "sft": ["cowest sft mine.yaml", "cowest sft mine.yaml sft.epochs=2", "accelerate launch -m cowest sft mine.yaml"],
    "feedback": ["cowest feedback mine.yaml", "cowest feedback mine.yaml feedback.samples=8 strong.max_concurrency=16"],
    "align": ["cowest align mine.yaml", "cowest align mine.yaml run=runs/kto align.method=kto"],
    "evaluate": [
        "cowest evaluate mine.yaml",
        "cowest evaluate runs/mine evaluate.limit=200 --force",
        "cowest evaluate mine.yaml --json > results.json",
    ],
    "audit": [
        "cowest audit runs/mine",
        "cowest audit runs/mine --json > audit.json",
        "cowest audit runs/mine --swaps genders.csv --limit 100",
    ],
    "bench": ["cowest plan mine.yaml --bench", "cowest bench mine.yaml", "cowest bench mine.yaml bench.seeds=3"],
    "doctor": ["cowest doctor mine.yaml", "cowest doctor mine.yaml --all", "cowest doctor mine.yaml --json"],
    "plan": ["cowest plan mine.yaml", "cowest plan mine.yaml feedback.samples=8", "cowest plan mine.yaml --bench"],
    "corpus": ["cowest corpus notes.csv --text title body --to corpus.jsonl"],
    "ask": ['cowest ask mine.yaml "Is this covered?"', 'cowest ask runs/mine "Is this covered?" --show-draft'],
    "gate": ["cowest gate mine.yaml serve.gate=calibrated", "cowest gate runs/mine --json"],
    "judge": ["cowest judge check recipe.yaml", "cowest judge check recipe.yaml --limit 50 --json"],
    "serve": ["cowest serve mine.yaml", "COWEST_API_KEY=... cowest serve runs/mine --host 0.0.0.0 --port 8080"],
    "show": ["cowest show runs/mine", "cowest show runs/mine --json"],
    "view": ["cowest view runs/mine", "cowest view runs/mine runs/other --port 8765"],
    "export": ["cowest export runs/mine --to out", "cowest export runs/mine --to hub:NAME --merged"],
    "ledger": ["cowest ledger recover runs/mine"],
    "lab": ["cowest lab build --out labs/new --world-seed 1"],
}
