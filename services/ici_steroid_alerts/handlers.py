"""Which events make the service decide again."""

from __future__ import annotations

from collections.abc import Mapping

from isodose.assessment import Decider, on_day_started, on_record_changed
from isodose.events.consumer import Handler


def handlers(decider: Decider) -> Mapping[str, Handler]:
    """A changed record, and a new day for the patients whose answer may differ on it."""
    return {
        "isodose.patient-record.v1": on_record_changed(decider),
        "isodose.day-started.v1": on_day_started(decider),
    }
