"""The clinical knowledge of the alerts, read once and validated before the service starts."""

from __future__ import annotations

from collections.abc import Iterable

from isodose.clinical import knowledge as clinical_knowledge


def load(enable: Iterable[str] = ()) -> clinical_knowledge.Knowledge:
    """All entries of this service; `enable` turns on entries that are off until their source is read.

    Ids of other services in `enable` are passed over, so that one setting serves all.
    """
    everything = clinical_knowledge.load("ici_steroid_alerts")
    ours = sorted(set(enable) & everything.entries.keys())
    return clinical_knowledge.Knowledge(everything.entries, ours)
