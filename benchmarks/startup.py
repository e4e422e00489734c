"""How long `cowest --help` and `import cowest` take, beside an empty Python process.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import cowest": ["-c", "import cowest"],
    "cowest --help": ["-m", "cowest", "--help"],
    "cowest run --help": ["-m", "cowest", "run", "--help"],
}
REPEATS = 15


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    base = None
    print("| command | median s | over an empty process |\n|---|---|---|")
    for name, arguments in COMMANDS.items():
        median = statistics.median(seconds(arguments) for _ in range(REPEATS))
        base = base or median
        print(f"| `{name}` | {median:.3f} | {median / base:.1f} |")


if __name__ == "__main__":
    main()
