"""Shared by the verbs that end with results: the table and the page."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cowest.pipeline import Pipeline
    from cowest.records import EvaluationResults


def finish(pipeline: "Pipeline", results: "EvaluationResults") -> None:
    """Prints the table of results, writes the page and says where it is."""
    from cowest.report import print_results, write_page

    print_results(results)
    page = write_page(pipeline.folder.path)
    print(f"\nThe page of this run: {page}")
