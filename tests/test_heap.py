"""What torch frees on a CPU is used again: tensors that are made and freed over and over cost no page faults."""

import subprocess
import sys

import pytest

from cowest import heap

PAGES = 8 * 4096  # of eight tensors of 16 MiB

FAULTS = """
import resource, sys
import torch
from cowest import heap

if "keep" in sys.argv:
    heap.keep_freed_memory()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.zeros(2**22) for _ in range(8)]
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(heap._glibc() is None, reason="another C library's malloc is left as it is")
def test_tensors_made_again_cost_no_page_faults() -> None:
    def faults(*words: str) -> int:
        command = [sys.executable, "-c", FAULTS, *words]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < PAGES / 2 < faults()
