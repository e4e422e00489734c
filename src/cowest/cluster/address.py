"""How a recipe names a cluster."""

import re
from typing import Annotated

from pydantic import AfterValidator

AUTO = "auto"
"""The cluster that this machine is a node of."""


def _checked(address: str) -> str:
    if address != AUTO and not re.fullmatch(r"[\w.:\[\]-]+:\d{1,5}", address):
        raise ValueError("needs auto, or HOST:PORT of the cluster's head, such as 10.0.0.1:6379")
    return address


ClusterAddress = Annotated[str, AfterValidator(_checked)]
"""The key `cluster`: "auto", or HOST:PORT of a cluster's control plane."""
