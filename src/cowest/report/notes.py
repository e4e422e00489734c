"""The notes above a run's numbers, such as that the lab's say nothing about large models."""

from cowest.records import EvaluationResults

LAB_TASK = "formulary"
LAB_NOTE = "Lab: two tiny made-up models; these numbers say nothing about large models."
LAB_LIMITS = (
    "The weak model was built to know what the strong one lacks, and the task was invented for them: a large gain here "
    "is by design, and not to be expected elsewhere.",
    "The lab's own judge is a program that knows the right answers; a model that judges makes mistakes.",
    "Calls cost nothing and take the time of this machine, so costs and times say nothing about an endpoint's.",
    "What the numbers do show: that every stage works, and what each adds under these conditions.",
)
"""The limits of the lab's numbers."""


def banner(results: EvaluationResults) -> str | None:
    """The note of the results themselves, or that of the lab; None without a note."""
    return results.note or (LAB_NOTE if results.task == LAB_TASK else None)
