"""What eligibility_scoring is made of."""

from __future__ import annotations

from eligibility_scoring import api, decision, definitions, knowledge, outputs
from eligibility_scoring.trials import words
from eligibility_scoring.trials.studies import studies
from eligibility_scoring.trials.wording import next_change
from isodose.assessment import Decider, handlers
from isodose.service import Service
from isodose.settings import Settings


def decider(settings: Settings) -> Decider:
    """The decision of this service with its knowledge. Raises `KnowledgeError`."""
    return Decider(
        service="eligibility_scoring",
        event_type="isodose.eligibility.assessed",
        knowledge=knowledge.load(settings.knowledge_enable),
        decide=decision.decide,
        conclude=outputs.conclude,
        next_change=next_change,
        today=settings.today,
        base=settings.canonical_base,
    )


def service(settings: Settings) -> Service:
    decides = decider(settings)
    return Service(
        name="eligibility_scoring",
        title="Isodose: treatment options",
        description="Which treatment options suit a patient with brain metastases, and what is missing",
        port=8002,
        decider=decides,
        definitions=(
            *definitions.definitions(decides.knowledge, decides.base),
            *definitions.extensions(decides.base),
            *words.definitions(decides.base),
            *studies(decides.base),
        ),
        cds_services=api.cds_services(decides),
        operations=api.operations(decides),
        handlers=handlers(decides),
    )
