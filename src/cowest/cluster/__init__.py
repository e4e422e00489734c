"""Engines on the nodes of a Ray cluster: queued by the process that drives the run, and replaced where they are lost.

Importing this package imports no Ray.
"""

from cowest.cluster.cluster import Cluster
from cowest.cluster.host import differences, versions
from cowest.cluster.opening import open_cluster
from cowest.cluster.patience import Patience
from cowest.cluster.places import Place, in_words
from cowest.cluster.pool import Pool, Work

__all__ = ["Cluster", "Patience", "Place", "Pool", "Work", "differences", "in_words", "open_cluster", "versions"]
