"""Which of the appointments being booked is a brain MRI, and for which day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isodose.clinical import timeline
from isodose.clinical.terminology import codings, value_set, words_of

_MRI = (" mri ", " mr ", " magnetic resonance ")
_BRAIN = (" brain ", " head ", " cranial ", " cerebral ", " neuro ")


@dataclass(frozen=True, slots=True)
class Proposed:
    """A brain MRI proposed for a day; not `sure` where the appointment only says that it is an MRI."""

    day: dt.date
    sure: bool


def proposed_brain_mri(
    appointments: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]
) -> Iterator[Proposed]:
    """Every appointment with a day that is, or may be, a brain MRI. `known` holds the orders behind it."""
    orders = {f"{r.get('resourceType')}/{r.get('id')}": r for r in known}
    for appointment in appointments:
        day = _day(appointment)
        if appointment.get("status") in ("cancelled", "noshow", "entered-in-error") or day is None:
            continue
        based_on = [orders.get(str(ref.get("reference"))) for ref in appointment.get("basedOn", [])]
        said = [
            appointment.get("serviceType"),
            appointment.get("reasonCode"),
            appointment.get("description"),
            *(order.get("code") for order in based_on if order),
        ]
        sure = _is_brain_mri(said)
        if sure is not None:
            yield Proposed(day, sure)


def _is_brain_mri(said: Sequence[Any]) -> bool | None:
    """True, or False where only MRI is said; None where it is something else."""
    concept = value_set("brain_imaging").match(codings(*said))
    if concept is not None:
        return True if concept.id.startswith("mri_brain") else None
    words = words_of(*said)
    if not any(word in words for word in _MRI):
        return None
    return any(word in words for word in _BRAIN)


def _day(appointment: Mapping[str, Any]) -> dt.date | None:
    periods = appointment.get("requestedPeriod") or [{}]
    text = appointment.get("start") or periods[0].get("start") or ""
    found = timeline.possible_days(str(text))
    return found.first if found and found.first == found.last else None
