from cowest.cluster.places import Node, in_words, places_of

CPU_NODES = [Node("b", "10.0.0.2", 8, 0), Node("a", "10.0.0.1", 4, 0), Node("head", "10.0.0.9", 0, 0)]


def test_one_engine_a_node_where_none_has_a_gpu_and_none_on_a_head_without_cpus() -> None:
    assert [(place.node.id, place.number) for place in places_of(CPU_NODES, on_gpu=False)] == [("a", 0), ("b", 0)]


def test_one_engine_a_gpu_and_none_on_nodes_without() -> None:
    nodes = [*CPU_NODES, Node("g", "10.0.0.3", 64, 2)]
    assert [str(place) for place in places_of(nodes, on_gpu=True)] == ["node 10.0.0.3, GPU 0", "node 10.0.0.3, GPU 1"]


def test_nodes_in_words() -> None:
    assert in_words([*CPU_NODES, Node("g", "10.0.0.3", 64, 1)]) == "4 nodes, 76 CPUs, 1 GPU"
