"""Every paid call once: the SQLite file that lets a run stop at any moment and go on without paying twice."""

from cowest.ledger.calls import Ledger
from cowest.ledger.file_systems import network_file_system
from cowest.ledger.in_use import is_in_use
from cowest.ledger.opening import connect_read_only
from cowest.ledger.recovery import Recovered, find_damage, recover

__all__ = ["Ledger", "Recovered", "connect_read_only", "find_damage", "is_in_use", "network_file_system", "recover"]
