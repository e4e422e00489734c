"""An opened model, drafting on the engines of a cluster instead of in this process."""

from cowest.cluster import Cluster
from cowest.models.connection import Connection
from cowest.models.metered import Metered
from cowest.models.providers.local import LocalModel


def spread(model: Metered, cluster: Cluster) -> Metered:
    """The same model in the same role; one that is not local stays as it is."""
    provider = model.connection.provider
    if not isinstance(provider, LocalModel):
        return model
    return Metered(Connection(provider.spread(cluster)), model.role, model.ledger)
