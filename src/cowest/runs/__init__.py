"""The folder of a run: its paths, atomic writes, and a lock for one process at a time."""

from cowest.runs.files import JsonlFile, read_json, read_jsonl, to_json, write_json, write_jsonl, write_text
from cowest.runs.folder import GRADED_SO_FAR, MAX_ROUNDS, RunFolder, begun, existing
from cowest.runs.making import made
from cowest.runs.replacing import finished_folder, put_back, replacement_of, replacing

__all__ = [
    "GRADED_SO_FAR",
    "MAX_ROUNDS",
    "JsonlFile",
    "RunFolder",
    "begun",
    "existing",
    "finished_folder",
    "made",
    "put_back",
    "read_json",
    "read_jsonl",
    "replacement_of",
    "replacing",
    "to_json",
    "write_json",
    "write_jsonl",
    "write_text",
]
