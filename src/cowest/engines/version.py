"""The version of an engine, as its command says; part of the identity of what it writes."""

import functools
import os
import re
import shutil
import subprocess
import time

from cowest import progress
from cowest.engines.config import EngineConfig
from cowest.errors import InputError

PATIENCE_S = 120.0
"""vLLM imports torch before it says its version, which takes a minute on a slow disk."""

_VERSION = re.compile(r"\b\d+\.\d+[\w.+-]*")
_SAID = 300
_SAY_EVERY_S = 4.0


def version_command(config: EngineConfig) -> tuple[str, ...]:
    """The command that prints the engine's version.

    Raises:
        InputError: it does not follow from `command`.
    """
    if config.version_command is not None:
        return config.version_command
    if "serve" in config.command:
        return (*config.command[: config.command.index("serve")], "--version")
    raise InputError(
        f"The engine's command {' '.join(config.command)!r} has no `serve`, so how it says its version is not known. "
        "Give version_command, e.g. [/opt/sglang/bin/python, -c, 'import sglang; print(sglang.__version__)']."
    )


def find_program(command: tuple[str, ...]) -> str:
    """The path of the program that a command starts; runs nothing.

    Raises:
        InputError: there is none.
    """
    path = shutil.which(os.path.expanduser(command[0]))
    if path is None:
        raise InputError(
            f"The engine's command {command[0]!r} was not found. vLLM is not installed with cowest: give it an "
            "environment of its own (uv venv /opt/vllm && uv pip install --python /opt/vllm/bin/python vllm) and write "
            "vllm: {command: [/opt/vllm/bin/vllm, serve]}."
        )
    return path


def engine_version(config: EngineConfig, patience_s: float = PATIENCE_S) -> str:
    """The engine's version, asked for once in a process.

    Raises:
        InputError: the command does not exist, fails, says no version, or takes longer than `patience_s`.
    """
    find_program(config.command)
    command = version_command(config)
    return _version(find_program(command), command[1:], patience_s)


@functools.lru_cache(maxsize=64)
def _version(program: str, arguments: tuple[str, ...], patience_s: float) -> str:
    command = " ".join((program, *arguments))
    progress.say(f"asking {command!r} for its version", about=f"version of {command}")
    try:
        process = subprocess.Popen(
            (program, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise InputError(f"{command!r} cannot be run: {error.strerror}. Run it by hand to see why.") from error
    with process:
        out, errors = _outputs(process, command, patience_s)
    said = f"{out.strip()[-_SAID:]} {errors.strip()[-_SAID:]}".strip() or "nothing"
    if process.returncode != 0:
        raise InputError(f"{command!r} failed with status {process.returncode}, and said: {said}")
    versions = _VERSION.findall(out)
    if not versions:
        raise InputError(f"{command!r} said no version, but: {said}. Give version_command one that prints it.")
    return str(versions[-1])


def _outputs(process: subprocess.Popen[str], command: str, patience_s: float) -> tuple[str, str]:
    """What the process has printed when it ends."""
    started = time.monotonic()
    while True:
        waited_s = time.monotonic() - started
        if waited_s >= patience_s:
            process.kill()
            raise InputError(f"{command!r} did not say its version within {patience_s:g} s. Run it by hand to see why.")
        try:
            return process.communicate(timeout=min(_SAY_EVERY_S, patience_s - waited_s))
        except subprocess.TimeoutExpired:
            waited_s = time.monotonic() - started
            progress.say(f"waiting for its version: {waited_s:.0f} s", about=f"version of {command} {waited_s:.0f}")
        except BaseException:
            process.kill()
            raise
