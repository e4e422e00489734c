"""Checks of the recipe's cluster: it can be used, what its nodes have, and that their versions are this machine's."""

from collections.abc import Iterator

from cowest import words
from cowest.cluster import differences, in_words, versions
from cowest.doctor.check import FAULT, FINE, NOTICE, Check
from cowest.errors import InputError
from cowest.pipeline import Pipeline


def check_cluster(pipeline: Pipeline) -> Iterator[Check]:
    """Connects to the cluster and asks every node for its versions; starts no engine."""
    try:
        cluster = pipeline.context.cluster
    except InputError as error:
        yield Check(FAULT, str(error))
        return
    if cluster is None:
        return
    kind = "one a GPU" if cluster.device == "cuda" else "one a node"
    engines = words.plural(len(cluster.places), "engine")
    mark = FINE if cluster.places else FAULT
    yield Check(mark, f"cluster: {cluster.address} has {in_words(cluster.nodes)}: {engines} ({kind})")
    for node, found in cluster.ask_versions().items():
        if found is None:
            yield Check(NOTICE, f"cluster: node {node.address} did not say its versions in time")
        elif others := differences(versions(), found):
            yield Check(
                FAULT,
                f"cluster: node {node.address} has {', '.join(others)}, so that no engine starts there. Install the "
                "same versions on all nodes",
            )
        else:
            yield Check(FINE, f"cluster: node {node.address} has the same versions of Python and packages as this one")
