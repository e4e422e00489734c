import os
import subprocess
import sys
import threading

import pytest
import torch

from cowest import cpu_threads

POLICY = """
import os
from cowest.cli import main
main.main = lambda: print(os.environ["OMP_WAIT_POLICY"]) or 0
main.start()
"""


@pytest.mark.parametrize(("given", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_the_command_line_sleeps_while_it_waits_unless_told_otherwise(given: dict[str, str], policy: str) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", POLICY], env=bare | given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [policy]


@pytest.mark.parametrize(("width", "small"), [(4_000, True), (5_000, False)])
def test_a_model_is_small_below_twenty_million_parameters(width: int, small: bool) -> None:
    assert cpu_threads.is_small(torch.nn.Linear(width, width, bias=False, device="meta")) is small


def test_a_limit_ends_with_its_block_and_never_raises_the_number() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with cpu_threads.limited(2):
            assert torch.get_num_threads() == 2
        with cpu_threads.limited(8):
            assert torch.get_num_threads() == 3
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert seen == [3]
    finally:
        torch.set_num_threads(before)
