"""The knowledge of this service: the review's statements on choosing a treatment, as dated and cited data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from eligibility_scoring.trials.catalogue import catalogue
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.knowledge import load as load_package

Values: TypeAlias = Mapping[str, object]
"""What a rule sees of the values in force: thresholds and code lists by name."""


def load(enable: Iterable[str] = ()) -> Knowledge:
    """All entries of this service; the version covers the trials too.

    Raises `KnowledgeError` where a file does not validate.
    """
    return load_package("eligibility_scoring", enable, also=catalogue().version)
