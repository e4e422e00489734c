"""A script in two processes that train together, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path


def run_in_two(script: str, folder: Path, *arguments: str) -> None:
    """Runs the text of a script, which is kept in `folder`, on the CPU, with a thread each.

    Raises:
        CalledProcessError: a process failed.
        TimeoutExpired: after ten minutes.
    """
    file = folder / "script.py"
    file.write_text(script)
    # `accelerate launch --cpu --num_processes 2` starts one process only, unless there is MPI.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    paths = os.pathsep.join([os.getcwd(), *(path for path in sys.path if path)])
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    subprocess.run([*launch, str(file), *arguments], env=environment, check=True, timeout=600)
