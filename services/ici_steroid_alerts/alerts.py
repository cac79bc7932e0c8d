"""Which findings deserve an alert: one per pair and reason, never one per order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

from ici_steroid_alerts.alert import Alert
from ici_steroid_alerts.decision import as_seen
from ici_steroid_alerts.ici_alerts import ici_alerts
from ici_steroid_alerts.other_alerts import other_alerts
from ici_steroid_alerts.situation import Situation
from ici_steroid_alerts.steroid_alerts import steroid_alerts
from ici_steroid_alerts.targeted_alerts import targeted_alerts
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

_RAISE: tuple[Callable[[Situation], Iterator[Alert]], ...] = (
    steroid_alerts,
    ici_alerts,
    targeted_alerts,
    other_alerts,
)
_GRAVITY = {"high": 0, "moderate": 1, "low": 2}


def alerts(
    record: PatientRecord, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date
) -> list[Alert]:
    """All alerts that stand on the day, most serious first. None for a patient who has died."""
    return standing(Situation(as_seen(record, on), findings, knowledge, on))


def standing(situation: Situation) -> list[Alert]:
    """All alerts of a situation whose record already holds what follows from it."""
    if situation.record.deceased:
        return []
    raised = [alert for part in _RAISE for alert in part(situation)]
    return sorted(raised, key=lambda a: (_GRAVITY[a.severity], a.code, a.about))
