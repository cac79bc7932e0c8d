"""What ici_steroid_alerts is made of."""

from __future__ import annotations

from ici_steroid_alerts import api, decision, definitions, handlers, knowledge, life, outputs
from isodose.assessment import Decider, without_options
from isodose.service import Service
from isodose.settings import Settings


def decider(settings: Settings) -> Decider:
    """The decision of this service with its knowledge. Raises `KnowledgeError`."""
    return Decider(
        service="ici_steroid_alerts",
        event_type="isodose.alerts.checked",
        knowledge=knowledge.load(settings.knowledge_enable),
        decide=decision.decide,
        conclude=without_options(outputs.resources),
        next_change=outputs.next_change,
        carry=life.carry,
        today=settings.today,
        base=settings.canonical_base,
    )


def service(settings: Settings) -> Service:
    decides = decider(settings)
    return Service(
        name="ici_steroid_alerts",
        title="Isodose: drug, steroid and radiation alerts",
        description="Checkpoint inhibitor, steroid, targeted drug and radiation: what meets what",
        port=8004,
        decider=decides,
        cds_services=api.cds_services(decides),
        operations=api.operations(decides),
        handlers=handlers.handlers(decides),
        definitions=definitions.definitions(decides.base),
        also_erased=life.answers_kept,
    )
