"""What one seed decides: the work, the endpoint's limits and faults, the kills, and the money."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from tests.simulation.faults import FAULTS, PASSING
from tests.simulation.machine import Kill

WORLDS = 16
"""Worlds among the seeds: what is expected of one is computed once."""


@dataclass(frozen=True)
class World:
    """The queries and everything that is ever said to them, apart from faults.

    Attributes:
        queries: of the examples, by number; a query may occur twice.
        half_characters: whether replies hold half a surrogate pair.
    """

    number: int
    queries: tuple[int, ...]
    samples: int
    null_control: int
    half_characters: bool


@dataclass(frozen=True)
class Plan:
    """What happens to one run.

    Attributes:
        work: "feedback", "evaluate" or "serve".
        faults: the share of attempts that each fault befalls.
        most_faults: how many of them befall one request; None knows no bound, and then calls may fail for good.
        kills: of the processes, one after the other; the last process is never killed.
        budget: "none", "ample", or "tight", which is raised when it is reached.
        is_dear: whether every call costs as much as it is allowed to.
        requests_per_s, limiter, burst_s, retry_after: the endpoint's limit.
        latency_s: the longest time of an ordinary reply.
        num_endpoints: addresses that the recipe lists; 0 for one that is not in a list. Of several, the second refuses
            every connection for seven seconds of fourteen.
        by_demand: whether examples are begun as fast as calls are let through, in place of `num_in_flight`.
        finds_concurrency: whether `max_concurrency` is left to be found.
    """

    seed: int
    work: str
    world: World
    num_in_flight: int = 4
    max_concurrency: int = 4
    faults: Mapping[str, float] = field(default_factory=dict)
    most_faults: int | None = 0
    kills: tuple[Kill, ...] = ()
    budget: str = "none"
    is_dear: bool = False
    requests_per_s: float | None = None
    limiter: str = "bucket"
    burst_s: float = 1.0
    retry_after: str | None = None
    latency_s: float = 0.5
    in_order: bool = False
    num_endpoints: int = 0
    by_demand: bool = False
    finds_concurrency: bool = False

    @property
    def is_bounded(self) -> bool:
        """Whether every call succeeds in the end."""
        return self.most_faults is not None


def world_of(number: int) -> World:
    """One of the worlds."""
    random = Random(f"world {number}")
    queries = random.choice(((0,), (0, 1), (0, 0), (0, 1, 2), (0, 1, 0)))
    samples, null_control = random.choice((1, 2, 2, 3, 4)), random.choice((0, 0, 1))
    return World(number, queries, samples, null_control, half_characters=number % 5 == 0)


def calm(world: World, work: str) -> Plan:
    """The same work without faults, kills and limits, in the order in which everything was scheduled."""
    return Plan(seed=0, work=work, world=world, latency_s=0.0, in_order=True)


def plan_of(seed: int) -> Plan:
    """What a seed decides."""
    random = Random(f"plan {seed}")
    most_faults = random.choice((0, 1, 2, 2, 2, None))
    names = random.sample(sorted(FAULTS if most_faults is None else PASSING), random.randint(1, 6))
    share = random.choice((0.02, 0.1, 0.3))
    scale = Random(f"scale {seed}")
    return Plan(
        seed=seed,
        work=random.choice(("feedback", "feedback", "feedback", "evaluate", "serve")),
        world=world_of(random.randrange(WORLDS)),
        num_in_flight=random.randint(1, 8),
        max_concurrency=random.randint(1, 8),
        faults={} if most_faults == 0 else dict.fromkeys(names, share),
        most_faults=most_faults,
        kills=tuple(_kill(random) for _ in range(random.choice((0, 1, 1, 2, 3)))),
        budget=random.choice(("none", "ample", "tight", "tight")),
        is_dear=random.random() < 0.5,
        requests_per_s=random.choice((None, None, 2.0, 10.0, 50.0)),
        limiter=random.choice(("bucket", "window", "fixed")),
        burst_s=random.choice((0.5, 1.0, 5.0)),
        retry_after=random.choice((None, "seconds", "ms")),
        latency_s=random.choice((0.0, 0.05, 1.0, 5.0)),
        num_endpoints=scale.choice((0, 0, 1, 3)),
        by_demand=scale.random() < 0.3,
        finds_concurrency=scale.random() < 0.3,
    )


def _kill(random: Random) -> Kill:
    kind = random.choice(("wake", "ledger", "file", "interrupt"))
    if kind == "file":
        return Kill(kind, random.randint(1, 45))
    return Kill(kind, int({"wake": 2000, "interrupt": 2000, "ledger": 300}[kind] ** random.random()))
