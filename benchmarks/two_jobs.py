"""Two trainings at once beside one alone: wall time of the same steps, by what threads do where one waits for another.

"sleep" is what the command line sets (OMP_WAIT_POLICY=passive); "spin" is the library's default. Each job is a process
that uses all cores and trains with SFT; after their first step jobs wait for each other, and the rest is timed.
Usage: python benchmarks/two_jobs.py --model FOLDER [--steps 5] [--rounds 3] [--jobs 2]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cowest import cpu_threads

POLICIES = ("sleep", "spin")
BATCH = 4
WORDS = 40


def work(model: str, steps: int, meeting: Path, num_jobs: int) -> None:
    """Prints when the steps after the first began and ended, in seconds of the machine's clock."""
    from cowest.stages.sft import SFTConfig, sft
    from cowest.types import Example

    marks: list[float] = []

    def progress(done: int, total: int, metrics: dict[str, float]) -> None:
        if done == 1:
            (meeting / str(os.getpid())).touch()
            while len(list(meeting.iterdir())) < num_jobs:
                time.sleep(0.01)
        marks.append(time.monotonic())

    query, explanation = "blue box " * WORDS, "a red bag " * 10
    rows = [
        Example(id=str(number), query=f"{number} {query}", references=(str(number),), explanation=explanation)
        for number in range(BATCH * steps)
    ]
    config = SFTConfig(batch_size=BATCH, gradient_accumulation=1)
    with tempfile.TemporaryDirectory() as out:
        sft(model, rows, out=out, config=config, progress=progress)
    print(marks[0], marks[-1])


def seconds(given: argparse.Namespace, policy: str, num_jobs: int) -> float:
    """From the first job's beginning to the last one's end."""
    environment = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as meeting:
        command = [sys.executable, __file__, "--model", given.model, "--steps", str(given.steps)]
        command += ["--jobs", str(num_jobs), "--policy", policy, "--meeting", meeting]
        jobs = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for _ in range(num_jobs)
        ]
        outputs = [job.communicate()[0] for job in jobs]
    if any(job.returncode for job in jobs):
        raise SystemExit("A job failed. Run one alone to see why: --policy sleep --jobs 1 --meeting AN_EMPTY_FOLDER")
    times = [[float(part) for part in output.split()[-2:]] for output in outputs]
    return max(end for _, end in times) - min(start for start, _ in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--policy", choices=POLICIES, help=argparse.SUPPRESS)
    parser.add_argument("--meeting", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.policy:
        if given.policy == "sleep":
            cpu_threads.sleep_while_waiting()  # before torch is imported
        work(given.model, given.steps, given.meeting, given.jobs)
        return
    print(f"| waiting threads | one job, s | {given.jobs} jobs at once, s | ratio |")
    print("|---|--:|--:|--:|")
    for policy in POLICIES:
        rounds = [(seconds(given, policy, 1), seconds(given, policy, given.jobs)) for _ in range(given.rounds)]
        one, several = (statistics.median(each) for each in zip(*rounds, strict=True))
        ratio = statistics.median(together / alone for alone, together in rounds)
        print(f"| {policy} | {one:.1f} | {several:.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
