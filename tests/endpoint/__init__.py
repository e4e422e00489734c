"""An OpenAI-compatible endpoint for tests and benchmarks: slow, limited and faulty as configured.

`make_app(behaviour)` is an aiohttp application that others may add routes to; `serving(app)` runs one in a thread of
this process, `python -m tests.endpoint` in its own.
"""

from tests.endpoint.app import BEHAVIOUR, make_app
from tests.endpoint.behaviour import Behaviour, Counts
from tests.endpoint.faults import FAULTS
from tests.endpoint.running import Served, serving

__all__ = ["BEHAVIOUR", "FAULTS", "Behaviour", "Counts", "Served", "make_app", "serving"]
