"""YAML documents of users, read safely: no key twice, and no more values than a recipe can need."""

from typing import Any

import yaml

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 50
MAX_VALUES = 5_000
"""Keys and values of a document, each as often as its aliases repeat it."""

_TOO_MANY = f"it has more than {MAX_VALUES:,} keys and values, aliases counted as often as they stand"


class _Loader(yaml.SafeLoader):
    """Refuses a section with the same key twice, where plain YAML keeps the last value, and too many values."""

    num_composed = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.num_composed += 1
        self.depth += 1
        if self.num_composed > MAX_VALUES:
            raise yaml.YAMLError(_TOO_MANY)
        if self.depth > MAX_DEPTH:  # also since PyYAML takes time for every bracket that is open
            raise yaml.YAMLError(f"its sections and lists are more than {MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is given twice", node.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read_yaml(text: str) -> Any:
    """Reads a document.

    Raises:
        ValueError: it is no YAML, has a key twice, or is too large; in one line.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters, and at most {MAX_CHARACTERS:,} are read")
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _num_values(node, {}) > MAX_VALUES:
            raise ValueError(_TOO_MANY)
        return loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, ArithmeticError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    except (LookupError, AttributeError, TypeError) as error:  # of PyYAML, e.g. for `!!bool maybe` and `!!map [1]`
        raise ValueError("a value does not fit its tag (such as !!int); leave the tag out") from error
    finally:
        if loader is not None:
            loader.dispose()


def _num_values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node has when every alias in it is written out."""
    if id(node) not in known:
        known[id(node)] = MAX_VALUES + 1  # what an alias to an enclosing node finds
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        inner = [each for part in parts for each in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_num_values(each, known) for each in inner)
    return known[id(node)]
