"""What the service answers: `$assess`, `$knowledge` and `$trials` over FHIR, cards over CDS Hooks."""

from __future__ import annotations

from collections.abc import Sequence

from eligibility_scoring import cards, definitions
from eligibility_scoring.trials.operation import trials_operation
from isodose.assessment import Decider, assess_operation
from isodose.cds_hooks.hook import CdsService
from isodose.fhir.rest import Operation


def operations(decider: Decider) -> Sequence[Operation]:
    return (
        assess_operation(decider),
        definitions.operation(decider.knowledge, decider.base),
        trials_operation(decider),
    )


def cds_services(decider: Decider) -> Sequence[CdsService]:
    return cards.services(decider.knowledge, decider.base)
