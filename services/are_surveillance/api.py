"""What the service answers: `$assess` and `$calendar` over FHIR, cards over CDS Hooks."""

from __future__ import annotations

from collections.abc import Sequence

from are_surveillance import cards
from are_surveillance.calendar_operation import calendar_operation
from isodose.assessment import Decider, assess_operation
from isodose.cds_hooks.hook import CdsService
from isodose.fhir.rest import Operation
from isodose.settings import Settings


def operations(decider: Decider, settings: Settings) -> Sequence[Operation]:
    own = settings.for_service(decider.service, 8003)
    return (assess_operation(decider), calendar_operation(decider.today, own.worklist_url))


def cds_services(decider: Decider) -> Sequence[CdsService]:
    return cards.services(decider.knowledge, decider.base)
