"""One driver at many calls a second: calls a second, memory and processor time.

python benchmarks/scale.py [--queries 10000 50000] [--limit 500] [--latency 5] [--samples 2] [--unknown] [--endpoints 1]
python benchmarks/scale.py --real [...]

Each number of queries runs in a process of its own, whose peak memory is asked of the system. Provider, HTTP client,
limits, ledger and feedback stage are the real ones; clock and network are not (`tests/virtual_feedback.py`). With
`--real` they are too: the endpoints are processes of their own (`scale_endpoint.py`).
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pacing import counts, server
from tests.virtual_feedback import Measured, Setting, annotate, run

ROOT = Path(__file__).parent.parent
RAMP_S, TAIL_S = 10.0, 30.0


def measure(options: argparse.Namespace, num_queries: int) -> dict[str, float | None]:
    """Runs one round in this process."""
    setting = Setting(
        num_queries,
        samples=options.samples,
        limit_per_s=options.limit / options.endpoints,
        is_told=not options.unknown,
        latency_s=options.latency,
        num_endpoints=options.endpoints,
        model_judges=not options.no_judge,
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found, endpoints_cpu_s = (
            in_reality(setting, Path(folder)) if options.real else (run(setting, Path(folder)), 0.0)
        )
        ledger_bytes = (Path(folder) / "ledger.sqlite").stat().st_size
    first, last = found.started[0], found.started[-1]
    begin, end = first + RAMP_S, last - TAIL_S
    return {
        "calls": len(found.started),
        "refused": found.refused,
        "per_s": found.per_s(begin, end) if end > begin else None,
        "most_in_flight": found.most_in_flight,
        "cpu_ms": 1000 * found.cpu_s / len(found.started),
        "endpoints_cpu_ms": 1000 * endpoints_cpu_s / len(found.started) if options.real else None,
        "ledger_mb": ledger_bytes / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_reality(setting: Setting, out: Path) -> tuple[Measured, float]:
    """Runs one round against endpoints in processes of their own; also the processor seconds of all of these."""
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(endpoint(setting)) for _ in range(setting.num_endpoints)]
        os.environ["OPENAI_API_KEY"] = "k"
        cpu_s = time.process_time()
        annotate(setting, out, [f"{url}/v1" for url in urls])
        cpu_s = time.process_time() - cpu_s
        seen = [counts(url, "/") for url in urls]
    started = sorted(when for each in seen for when in each["started"])
    most_in_flight = sum(each["most_in_flight"] for each in seen)
    found = Measured(started, sum(each["refused"] for each in seen), most_in_flight, cpu_s)
    return found, sum(each["cpu_s"] for each in seen)


def endpoint(setting: Setting) -> contextlib.AbstractContextManager[str]:
    """An endpoint in a process of its own; its address."""
    limit = ["--limit", str(setting.limit_per_s)] if setting.limit_per_s else []
    return server("--latency", str(setting.latency_s), *limit, module="benchmarks.scale_endpoint", seen="/")


def in_a_process(arguments: list[str], num_queries: int) -> dict[str, Any]:
    command = [sys.executable, __file__, *arguments, "--worker", str(num_queries)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout))


def _share(per_s: float | None, limit: float) -> str:
    return "too short" if per_s is None else f"{per_s / limit:.1%}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--limit", type=float, default=500.0, help="calls a second, of all endpoints together")
    parser.add_argument("--latency", type=float, default=5.0)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--endpoints", type=int, default=1)
    parser.add_argument("--no-judge", action="store_true", help="verdicts take no calls, so that a query takes half")
    parser.add_argument("--unknown", action="store_true", help="the recipe does not name the limit")
    parser.add_argument("--real", action="store_true", help="in real time, against endpoints in other processes")
    parser.add_argument("--folder")
    parser.add_argument("--worker", type=int)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(measure(options, options.worker)))
        return
    print(
        "| queries | calls | share of the limit | most in flight | refused | CPU ms a call | of the endpoint "
        "| ledger | peak memory |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for num_queries in options.queries:
        found = in_a_process(sys.argv[1:], num_queries)
        print(
            f"| {num_queries:,} | {found['calls']:,} | {_share(found['per_s'], options.limit)} "
            f"| {found['most_in_flight']:,} | {found['refused']:,} | {found['cpu_ms']:.2f} "
            f"| {'within' if found['endpoints_cpu_ms'] is None else format(found['endpoints_cpu_ms'], '.2f')} "
            f"| {found['ledger_mb']:,.0f} MB | {found['peak_mb']:.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
