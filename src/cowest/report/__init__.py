"""What a person looks at: tables in the terminal and one self-contained page of a run."""

from cowest.report.audit import print_audit
from cowest.report.collect import collect
from cowest.report.page import write_page
from cowest.report.table import print_results, print_run

__all__ = ["collect", "print_audit", "print_results", "print_run", "write_page"]
