"""What torch frees on a CPU is used again: a tensor that is made and freed over and over costs no page faults."""

import subprocess
import sys

import pytest

from cowest import heap

PAGES = 4096  # of 16 MiB

FAULTS = """
import resource, sys
import torch
from cowest import heap

if "keep" in sys.argv:
    heap.keep_freed_memory()
torch.zeros(2**22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.zeros(2**22)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(heap._glibc() is None, reason="another C library's malloc is left as it is")
def test_a_tensor_made_again_costs_no_page_faults() -> None:
    def faults(*words: str) -> int:
        command = [sys.executable, "-c", FAULTS, *words]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < PAGES < faults()
