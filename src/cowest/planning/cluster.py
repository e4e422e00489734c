"""Where a recipe's local models draft: the engines of its cluster, as they are now."""

from cowest import words
from cowest.cluster import in_words
from cowest.errors import InputError
from cowest.pipeline import Pipeline


def cluster_of(pipeline: Pipeline) -> str | None:
    """The engines of the recipe's cluster in words, or why they cannot be used; None where it names no cluster.

    Connects to the cluster, and starts nothing on it.
    """
    try:
        cluster = pipeline.context.cluster
    except InputError as error:
        return f"the cluster {pipeline.recipe.cluster}, which cannot be used now: {' '.join(str(error).split())}"
    if cluster is None:
        return None
    kind = "one a GPU" if cluster.device == "cuda" else "one a node"
    count = words.plural(len(cluster.places), "engine")
    return f"{count} ({kind}) of the cluster at {cluster.address}, which has {in_words(cluster.nodes)}"
