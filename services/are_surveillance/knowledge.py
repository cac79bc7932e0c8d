"""The knowledge of this service: surveillance intervals and what changes them, as dated and cited data."""

from __future__ import annotations

from collections.abc import Iterable

from isodose.clinical.knowledge import Knowledge
from isodose.clinical.knowledge import load as load_package


def load(enable: Iterable[str] = ()) -> Knowledge:
    """All entries of this service. Raises `KnowledgeError` where a file does not validate."""
    return load_package("are_surveillance", enable)
