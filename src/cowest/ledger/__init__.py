"""Every paid call once: the SQLite file that lets a run stop at any moment and go on without paying twice."""

from cowest.ledger.calls import Ledger
from cowest.ledger.file_systems import network_file_system

__all__ = ["Ledger", "network_file_system"]
