"""What are_surveillance is made of."""

from __future__ import annotations

from functools import partial

from are_surveillance import api, decision, knowledge, outputs
from are_surveillance.definitions import definitions
from are_surveillance.site_calendar import calendar
from are_surveillance.standing import state
from are_surveillance.turning_days import next_change
from isodose.assessment import Decider, handlers, without_options
from isodose.service import Service
from isodose.settings import Settings


def decider(settings: Settings) -> Decider:
    """The decision of this service with its knowledge, the site's calendar and its days for tasks.

    Raises `KnowledgeError`, and `UnknownCalendarError` where the setting names none.
    """
    known = knowledge.load(settings.knowledge_enable, calendar(settings.working_calendar), settings.task_days)
    return Decider(
        service="are_surveillance",
        event_type="isodose.surveillance.planned",
        knowledge=known,
        decide=decision.decide,
        conclude=without_options(outputs.resources),
        next_change=partial(next_change, known),
        state=partial(state, known),
        today=settings.today,
        base=settings.canonical_base,
    )


def service(settings: Settings) -> Service:
    decides = decider(settings)
    return Service(
        name="are_surveillance",
        title="Isodose: surveillance after radiosurgery",
        description="The next brain MRI after radiosurgery, and who must not be lost to follow-up",
        port=8003,
        decider=decides,
        definitions=definitions(decides.base),
        cds_services=api.cds_services(decides),
        operations=api.operations(decides, settings),
        handlers=handlers(decides),
    )
