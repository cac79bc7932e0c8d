"""What the service answers: `$assess`, `$answer` and `$override-report` over FHIR, cards over CDS Hooks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial

from ici_steroid_alerts import cards
from ici_steroid_alerts.answering import answer_operation
from ici_steroid_alerts.override_report import override_report
from isodose.assessment import Decider, assess_operation
from isodose.cds_hooks.hook import CdsService
from isodose.fhir.rest import Operation


def operations(decider: Decider) -> Sequence[Operation]:
    now = partial(dt.datetime.now, dt.UTC)
    return assess_operation(decider), answer_operation(decider, now), override_report(decider.base)


def cds_services(decider: Decider) -> Sequence[CdsService]:
    return cards.services(decider.knowledge, decider.base)
