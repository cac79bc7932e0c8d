"""What every card of this service is made of."""

from __future__ import annotations

import uuid

from isodose.cds_hooks.cards import OVERRIDE_REASONS, shortened
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Card, Coding, Indicator, Link, Source
from isodose.fhir.resources import result_id

PROPOSES = "The platform proposes; a clinician decides."


def card(call: HookCall, *, code: str, summary: str, text: str, indicator: Indicator, base: str) -> Card:
    """A card that keeps its uuid when the same hook call is answered again."""
    return Card(
        uuid=uuid.UUID(result_id(f"{call.hook_instance}/{call.service}/{code}/{summary}")),
        summary=shortened(summary),
        indicator=indicator,
        detail=text,
        source=Source(
            label="Isodose: treatment options",
            topic=Coding(system=f"{base}/CodeSystem/catalogue", code=code),
        ),
        override_reasons=OVERRIDE_REASONS,
        links=_links(call),
    )


def not_available(call: HookCall) -> list[str]:
    """The prefetch keys of which not everything is known, as a note."""
    return [f"Not available for this answer: {', '.join(call.unavailable)}."] if call.unavailable else []


def _links(call: HookCall) -> tuple[Link, ...]:
    if not call.worklist_url:
        return ()
    return (Link(label="Open the patient's worklist page", url=call.worklist_url),)
