"""What must be said before any number of a run: that the lab's numbers say nothing about large models."""

from cowest.records import EvaluationResults

LAB_TASK = "formulary"
LAB_NOTE = "Lab: two tiny made-up models; these numbers say nothing about large models."
LAB_LIMITS = (
    "The weak model was made to know what the strong one lacks, and the task was invented for them: a large gain here "
    "is by design, and not one to expect elsewhere.",
    "The lab's own judge is a program that knows the right answers; a model that judges makes mistakes.",
    "Calls cost nothing and take the time of this machine, so costs and times say nothing about an endpoint's.",
    "What the numbers do show: that every stage works, and what each adds under these conditions.",
)
"""What the numbers of the lab do not mean."""


def banner(results: EvaluationResults) -> str | None:
    """The note of the results themselves, or that of the lab; None where there is nothing to say first."""
    return results.note or (LAB_NOTE if results.task == LAB_TASK else None)
