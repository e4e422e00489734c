"""The endpoint in a process of its own.

python -m tests.endpoint --port 8001 --latency 0.3 --requests-per-s 50 --fault server_error=0.03 --fault reset=0.02
"""

import argparse

from aiohttp import web

from tests.endpoint.app import make_app
from tests.endpoint.behaviour import Behaviour
from tests.endpoint.faults import FAULTS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.endpoint", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--requests-per-s", type=float)
    parser.add_argument("--tokens-per-s", type=float)
    parser.add_argument("--burst", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--limiter", choices=("bucket", "window", "fixed"), default="bucket")
    parser.add_argument("--slow-refusals", action="store_true")
    parser.add_argument("--retry-after", choices=("seconds", "ms"))
    parser.add_argument("--headers", action="store_true")
    parser.add_argument(
        "--fault", action="append", default=[], type=_share, metavar="NAME=SHARE", help=", ".join(FAULTS)
    )
    parser.add_argument("--faults-are-counted", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    behaviour = Behaviour(
        latency_s=given.latency,
        requests_per_s=given.requests_per_s,
        tokens_per_s=given.tokens_per_s,
        burst_s=given.burst,
        limiter=given.limiter,
        slow_refusals=given.slow_refusals,
        retry_after=given.retry_after,
        headers=given.headers,
        faults=dict(given.fault),
        faults_are_counted=given.faults_are_counted,
        seed=given.seed,
    )
    web.run_app(
        make_app(behaviour), host="127.0.0.1", port=given.port, access_log=None, print=None, handler_cancellation=True
    )


def _share(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
    return name, float(share)


if __name__ == "__main__":
    main()
