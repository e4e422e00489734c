"""The audit of a run from its files: slices, over-reliance and calibration; it makes no calls and writes nothing."""

from cowest import runs, statistics
from cowest.auditing.answered import Answered, read_answered
from cowest.auditing.calibration import NO_CONFIDENCE, calibration
from cowest.auditing.findings import findings_of
from cowest.auditing.measured import measure_all, measure_slices
from cowest.auditing.reliance import NO_DRAFT_ANSWERS, reliance
from cowest.auditing.slicing import slices
from cowest.method_names import STRONG_ONLY, WEAK_ONLY
from cowest.records import AuditResults, EvaluationResults, Swaps

AUDIT = "audit.json"

MIN_SLICE = 30
"""A slice with fewer examples is not tested: it shows hardly anything, and each test makes the others stricter."""


def examine(run: runs.RunFolder, min_slice: int = MIN_SLICE, swaps: Swaps | None = None) -> AuditResults:
    """Audits the evaluation of a run.

    Args:
        min_slice: a slice has at least so many examples.
        swaps: what swapped words changed, where that was measured.

    Raises:
        InputError: the run holds no finished evaluation of the pair and the strong model alone, or a file is broken.
    """
    results = EvaluationResults.read(runs.finished_folder(run.evaluate) / "results.json")
    found = audit_of(read_answered(run), min_slice, swaps)
    return found.model_copy(update={"task": results.task, "metric": results.headline_metric})


def audit_of(answered: Answered, min_slice: int = MIN_SLICE, swaps: Swaps | None = None) -> AuditResults:
    """The audit of answered examples, without the names of their task and its metric."""
    slicing = slices(answered.pair, min_slice)
    relied, calibrated = reliance(answered), calibration(answered, min_slice)
    missing = {"reliance": None if relied else NO_DRAFT_ANSWERS, "calibration": None if calibrated else NO_CONFIDENCE}
    audit = AuditResults(
        pair=answered.pair_name,
        strong=STRONG_ONLY,
        weak=None if answered.weak is None else WEAK_ONLY,
        num_examples=len(answered.pair),
        num_failed=answered.num_failed,
        num_groups=statistics.count_groups(answered.groups),
        overall=measure_all(answered),
        min_slice=min_slice,
        slices=measure_slices(answered, slicing.parts),
        left_out=slicing.left_out,
        reliance=relied,
        calibration=calibrated,
        missing={name: reason for name, reason in missing.items() if reason is not None},
        swaps=swaps,
    )
    return audit.model_copy(update={"findings": findings_of(audit)})


def read_audit(run: runs.RunFolder) -> AuditResults | None:
    """The audit that a run holds; None where there is none.

    Raises:
        InputError: the file is broken.
    """
    path = run.evaluate / AUDIT
    return AuditResults.read(path) if path.is_file() else None
